-- ARGV: now, client, score and session to go on after (empty at first), how many, then names.
-- Of each name that many, in order: score, session, login (empty if there is none any more).

-- Not the operator: it compares as the server's locale has it, sorted sets compare bytes.
local function is_after(one, other)
  for i = 1, #one do
    local left, right = one:byte(i), other:byte(i)
    if left ~= right then return right == nil or left > right end
  end
  return false
end

local function first_after(set, score, session)
  if score == '' then return 0 end
  local low = redis.call('ZCOUNT', set, '-inf', '(' .. score)
  local high = low + redis.call('ZCOUNT', set, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_after(redis.call('ZRANGE', set, middle, middle)[1], session) then high = middle else low = middle + 1 end
  end
  return low
end

local found = {}
for i = 6, #ARGV do
  local set = key('name', ARGV[i])
  local first = first_after(set, ARGV[3], ARGV[4])
  local page = redis.call('ZRANGE', set, first, first + tonumber(ARGV[5]) - 1, 'WITHSCORES')
  for j = 1, #page, 2 do
    local login = redis.call('HGET', key('session', page[j]), ARGV[2])
    if not login then redis.call('ZREM', set, page[j]) end
    table.insert(found, {page[j + 1], page[j], login or ''})
  end
end
return found
