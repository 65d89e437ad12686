-- Takes the lease KEYS[1], named ARGV[2], for ARGV[3] with a term of ARGV[4] ms. Answers {fence, ""}, or, where it is
-- held, {-ms left, holder}. ARGV[1] is the key of the fences; it has the hash tag of KEYS[1].
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder then return {tostring(-math.max(1, redis.call('PTTL', KEYS[1]))), holder} end
local fence = string.format('%.0f', redis.call('HINCRBY', ARGV[1], ARGV[2], 1))
redis.call('HSET', KEYS[1], 'fence', fence, 'holder', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {fence, ''}
