-- A member gives a sign of life, and learns how many members there are.
--
-- The entry is a sorted set. Its elements are the numbers of the members, and `layout:N` for each layout that a member speaks.
-- Each has the time of its last sign of life. So the commands that the other scripts need anyway are enough.

local SILENT_AFTER = 6 * SECOND
local MAX_LAYOUT = 9

local question = question_of({'layout', 'leaves'})
local layout = bound(question.layout, 1, MAX_LAYOUT)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - SILENT_AFTER)
-- A time of the future is left from before the clock stepped back.
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + SILENT_AFTER, '+inf')
if question.leaves == 0 then
  redis.call('ZADD', KEYS[1], now, ARGV[2], now, 'layout:' .. layout)
  redis.call('PEXPIRE', KEYS[1], 60000)
else
  redis.call('ZREM', KEYS[1], ARGV[2])
end
local layouts, lowest = 0, nil
for other = 1, MAX_LAYOUT do
  -- This adds nothing, and returns nil if there is no such element.
  if redis.call('ZADD', KEYS[1], 'XX', 'INCR', 0, 'layout:' .. other) then
    layouts = layouts + 1
    lowest = lowest or other
  end
end
return {redis.call('ZCARD', KEYS[1]) - layouts, lowest or layout}
