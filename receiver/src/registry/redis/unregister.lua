-- ARGV: now, session.
for client, login in pairs(held(ARGV[2])) do forget(ARGV[2], client, login) end
return 1
