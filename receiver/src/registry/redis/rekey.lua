-- ARGV: now, old session, new session, new local id, last second of a tombstone. 1 if it is alive.
local old, new = ARGV[2], ARGV[3]
local logins = held(old)
local ended = stands(old, -math.huge)
for _, login in pairs(logins) do ended = ended or is_over(login) end
if ended or old ~= new then
  for client, login in pairs(logins) do forget(old, client, login) end
end
if ended then
  bury_session(new, ARGV[5])
  return 0
end
if old ~= new then
  for client, login in pairs(logins) do
    login.id = ARGV[4]
    insert(new, client, login)
  end
end
return 1
