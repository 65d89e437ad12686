-- Erases up to a number of events of a user. KEYS[1] routes the script to its node. Answers nothing when none was left,
-- else {"", id, …} with the ids of the events erased; other names of events are erased without being listed.
local base, user, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local by = base .. 'by:' .. user
local ids = redis.call('ZRANGE', by, 0, most - 1)
if #ids == 0 then return {} end
local erased = {''}
for _, id in ipairs(ids) do
  local event = base .. 'event:' .. id
  local was = redis.call('HMGET', event, 'seq', 'state', 'key', 'generation')
  if was[1] then
    if was[2] == 'live' then redis.call('HDEL', base .. 'live', was[3]) end
    redis.call('ZREM', base .. 'of:' .. was[4], id)
    redis.call('XDEL', base .. 'events', was[1] .. '-0')
    redis.call('DEL', event)
    erased[#erased + 1] = id
  end
  redis.call('DEL', base .. 'name:' .. id)
  redis.call('ZREM', by, id)
end
return erased
