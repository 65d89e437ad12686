-- Stores an alias at KEYS[1] if its version is ARGV[1], with the version ARGV[2]. Answers {1 if it was, the version
-- that was found}.
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then return {0, tonumber(version)} end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'body', ARGV[3])
return {1, tonumber(version)}
