-- ARGV: now, then a name and the earliest time that counts, any number of times. 1 if it is alive.
for i = 2, #ARGV, 2 do
  if stands(ARGV[i], ARGV[i + 1]) then return 0 end
end
return 1
