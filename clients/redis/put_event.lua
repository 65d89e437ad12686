-- Stores an event, as feedback.Log.PutEvent says. KEYS[1] routes the script to its node. Answers {status, body}: "live"
-- with the body of the event that is live afterwards, or "missing" or "revoke" for a target that cannot be withdrawn.
local base, id, key, content, kind, source, generation, user, body, target = unpack(ARGV)

local function event(id) return base .. 'event:' .. id end

-- find returns the id of the event that id names, or nil.
local function find(id)
  if redis.call('EXISTS', event(id)) == 1 then return id end
  local other = redis.call('GET', base .. 'name:' .. id)
  if other and redis.call('EXISTS', event(other)) == 1 then return other end
  return nil
end

local function answer(id) return {'live', redis.call('HGET', event(id), 'body')} end

-- name makes id another name of an event.
local function name(other)
  redis.call('SET', base .. 'name:' .. id, other)
  local whose = redis.call('HGET', event(other), 'user')
  if whose ~= '' then redis.call('ZADD', base .. 'by:' .. whose, 0, id) end
  return answer(other)
end

-- retire takes an event out of the live ones, where it is one of them.
local function retire(old, state)
  local was = redis.call('HMGET', event(old), 'state', 'key', 'generation')
  if was[1] == 'live' then
    redis.call('HDEL', base .. 'live', was[2])
    redis.call('ZREM', base .. 'of:' .. was[3], old)
  end
  redis.call('HSET', event(old), 'state', state, 'other', id)
end

local function insert(state, other)
  local seq = string.format('%.0f', redis.call('INCR', base .. 'seq'))
  redis.call('HSET', event(id), 'seq', seq, 'key', key, 'state', state, 'other', other, 'kind', kind, 'source', source,
    'generation', generation, 'user', user, 'content', content, 'body', body)
  redis.call('XADD', base .. 'events', seq .. '-0', 'id', id, 'kind', kind, 'generation', generation)
  if user ~= '' then redis.call('ZADD', base .. 'by:' .. user, seq, id) end
  if state == 'live' then
    redis.call('HSET', base .. 'live', key, id)
    if generation ~= '' then redis.call('ZADD', base .. 'of:' .. generation, seq, id) end
  end
end

local known = find(id)
if known then
  local live = redis.call('HGET', base .. 'live', redis.call('HGET', event(known), 'key'))
  return answer(live or known)
end

if kind == 'revoke' then
  local old = find(target)
  if not old then return {'missing', ''} end
  local was = redis.call('HMGET', event(old), 'kind', 'state', 'other')
  if was[1] == 'revoke' then return {'revoke', ''} end
  if was[2] == 'revoked' then return name(was[3]) end
  retire(old, 'revoked')
  insert('revoke', old)
  return {'live', body}
end

-- The rule is feedback.Meet's.
local live = redis.call('HGET', base .. 'live', key)
if live then
  local was = redis.call('HMGET', event(live), 'content', 'source')
  if was[1] == content then return name(live) end
  if was[2] == 'human' and source ~= 'human' then
    insert('yielded', live)
    return answer(live)
  end
  retire(live, 'replaced')
end
insert('live', '')
return {'live', body}
