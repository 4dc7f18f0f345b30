-- ARGV: now, session, client, login. 1 if it is alive.
local session, client, login = ARGV[2], ARGV[3], cjson.decode(ARGV[4])
insert(session, client, login)
if is_over(login) then
  forget(session, client, login)
  return 0
end
redis.call('DEL', key('tombstone', session))
return 1
