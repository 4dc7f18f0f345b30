-- ARGV: now, then name, time and last second, any number of times.
for i = 2, #ARGV, 3 do bury(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return 1
