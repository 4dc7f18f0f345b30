-- Begins every script. KEYS[1] is the prefix of all keys, ARGV[1] the time in seconds since the Unix epoch.
--   <prefix>session:<session>  hash: client -> a login, as JSON: id, login, checks (name and since), last
--   <prefix>name:<name>        sorted set: sessions by the last second of their login
--   <prefix>tombstone:<name>   hash: at, last
-- Sessions, clients and names are keys of one length; numbers in JSON are strings, which lose no digit.
local prefix, now = KEYS[1], tonumber(ARGV[1])

local function key(kind, id) return prefix .. kind .. ':' .. id end

-- A minute late, since clocks agree to the minute; and not after the year 9999.
local function expire(which, last)
  redis.call('EXPIREAT', which, string.format('%.0f', math.min(last + 60, 253402300799)))
end

local function stands(name, since)
  local kept = redis.call('HMGET', key('tombstone', name), 'at', 'last')
  return kept[1] and tonumber(kept[1]) >= tonumber(since) and tonumber(kept[2]) >= now
end

local function later(one, other)
  if one and tonumber(one) > tonumber(other) then return one end
  return other
end

local function bury(name, at, last)
  local tombstone = key('tombstone', name)
  local kept = redis.call('HMGET', tombstone, 'at', 'last')
  at, last = later(kept[1], at), later(kept[2], last)
  redis.call('HSET', tombstone, 'at', at, 'last', last)
  expire(tombstone, tonumber(last))
end

local function bury_session(session, last) bury(session, '9223372036854775807', last) end

local function held(session)
  local flat, logins = redis.call('HGETALL', key('session', session)), {}
  for i = 1, #flat, 2 do logins[flat[i]] = cjson.decode(flat[i + 1]) end
  return logins
end

local function is_over(login)
  if tonumber(login.last) < now then return true end
  for _, check in ipairs(login.checks) do
    if stands(check[1], check[2]) then return true end
  end
  return false
end

local function forget(session, client, login)
  for _, check in ipairs(login.checks) do redis.call('ZREM', key('name', check[1]), session) end
  redis.call('HDEL', key('session', session), client)
end

local function insert(session, client, login)
  local old = redis.call('HGET', key('session', session), client)
  if old then forget(session, client, cjson.decode(old)) end
  redis.call('HSET', key('session', session), client, cjson.encode(login))
  local last = 0
  for _, one in pairs(held(session)) do last = math.max(last, tonumber(one.last)) end
  expire(key('session', session), last)
  for _, check in ipairs(login.checks) do
    local name = key('name', check[1])
    redis.call('ZREMRANGEBYSCORE', name, '-inf', '(' .. ARGV[1])
    redis.call('ZADD', name, login.last, session)
    expire(name, tonumber(redis.call('ZRANGE', name, -1, -1, 'WITHSCORES')[2]))
  end
end
