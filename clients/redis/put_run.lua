-- Stores a run. KEYS[1] routes the script to its node. With a fence above 0 it answers 0, and stores nothing, unless that
-- is the fence of the live lease; else it answers 1.
local base, id, created, body, lease, fence = unpack(ARGV)
if tonumber(fence) > 0 and redis.call('HGET', base .. 'lease:' .. lease, 'fence') ~= fence then return 0 end
redis.call('SET', base .. 'run:' .. id, body)
redis.call('ZADD', base .. 'runs', created, id)
return 1
