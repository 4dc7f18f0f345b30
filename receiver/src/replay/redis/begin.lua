-- KEYS: the token. ARGV: now, last second of the lease, when to drop it. 0 fresh, 1 in flight, 2 done.
local held = redis.call('HMGET', KEYS[1], 'done', 'last')
if held[1] and tonumber(held[2]) >= tonumber(ARGV[1]) then return held[1] == '1' and 2 or 1 end
redis.call('HSET', KEYS[1], 'done', '0', 'last', ARGV[2])
redis.call('EXPIREAT', KEYS[1], ARGV[3])
return 0
