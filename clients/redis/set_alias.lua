-- Stores an alias at KEYS[1]. Answers {1, version that was found} if that was the old version; {0, version that was found} if it was
-- another; {-1, 0} with a fence above 0 that is not that of the live lease. It stores nothing but in the first case.
local base, old, new, body, lease, fence = unpack(ARGV)
if tonumber(fence) > 0 and redis.call('HGET', base .. 'lease:' .. lease, 'fence') ~= fence then return {-1, 0} end
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= old then return {0, tonumber(version)} end
redis.call('HSET', KEYS[1], 'version', new, 'body', body)
return {1, tonumber(version)}
