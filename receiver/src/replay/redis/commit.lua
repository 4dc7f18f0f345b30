-- KEYS: the token. ARGV: its last second, when to drop it.
redis.call('HSET', KEYS[1], 'done', '1', 'last', ARGV[1])
redis.call('EXPIREAT', KEYS[1], ARGV[2])
return 1
