-- ARGV: now, then keys.
for i = 2, #ARGV do
  local kind, id = string.match(string.sub(ARGV[i], #prefix + 1), '^(%a+):(.*)$')
  if kind == 'session' then
    for client, login in pairs(held(id)) do
      if tonumber(login.last) < now then forget(id, client, login) end
    end
  elseif kind == 'name' then
    redis.call('ZREMRANGEBYSCORE', ARGV[i], '-inf', '(' .. ARGV[1])
  elseif kind == 'tombstone' and not stands(id, -math.huge) then
    redis.call('DEL', ARGV[i])
  end
end
return 1
