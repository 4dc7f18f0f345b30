-- ARGV: now, last second of a tombstone, then session, client and login, any number of times.
-- 1 for each that went.
local gone = {}
for i = 3, #ARGV, 3 do
  local session, found = ARGV[i], redis.call('HGET', key('session', ARGV[i]), ARGV[i + 1])
  if found and cjson.decode(found).login == ARGV[i + 2] then
    for client, login in pairs(held(session)) do forget(session, client, login) end
    bury_session(session, ARGV[2])
    table.insert(gone, 1)
  else
    table.insert(gone, 0)
  end
end
return gone
