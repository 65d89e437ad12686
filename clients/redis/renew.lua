-- Gives the lease KEYS[1] a term of ARGV[2] ms if its fence is ARGV[1]; 0 ends it. Answers whether it was so.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
