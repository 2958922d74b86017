-- A member shares with all others what it has learned of a key.

local QUIET, ANNOUNCED, OPENED, PROBING = 1, 2, 3, 4

local function bounded(question)
  question.serial = bound(question.serial, 0, MAX_SERIAL)
  question.quiet = bound(question.quiet, 0, MAX_QUIET)
  question.gap = bound(question.gap, 0, MAX_GAP)
  if question.burst ~= 0 then
    question.burst = bound(question.burst, THOUSAND, MAX_BURST)
  end
  question.grow = bound(question.grow, 0, MAX_GROW)
  question.left = bound(question.left, 0, MAX_COUNT)
  return question
end

local function write_rate(entry, question)
  if question.gap > 0 then
    entry.gap = question.gap
    entry.carry = 0
  end
  if question.burst > 0 then
    entry.burst = question.burst
  end
end

local function note_refusal(entry)
  if entry.refused_at == 0 then
    entry.refused_at = now
  end
end

-- Makes the slots void that are out, and sets the next free slot: to `tat`, but not more than a gap from now, because no later
-- slot is taken any more, and not before the slots that are left.
local function restart(entry, question, tat)
  void(entry, question.serial)
  entry.tat = math.min(tat, now + entry.gap)
  if question.left > 0 then
    local left = now - (question.left - 2) * entry.gap
    entry.tat = question.kind == OPENED and left or math.max(left, entry.tat)
  end
  if entry.gap > 0 then
    lapse(entry)
  end
end

-- Each of these returns the time of the news, from now.

local function write_quiet(entry, question)
  if entry.quiet == 0 then
    entry.since = now
  elseif entry.probe == member then
    entry.streak = entry.streak + 1
  end
  entry.quiet = now + question.quiet
  write_rate(entry, question)
  note_refusal(entry)
  entry.probe = 0
  entry.probe_ends = 0
  entry.tat = entry.quiet
  void(entry, question.serial)
  return question.quiet
end

local function write_announced(entry, question)
  write_rate(entry, question)
  entry.grow = question.grow
  if question.refused == 1 then
    note_refusal(entry)
  end
  restart(entry, question, entry.tat)
  return 0
end

local function write_opened(entry, question)
  write_rate(entry, question)
  entry.grow = question.grow
  entry.quiet = 0
  entry.since = 0
  entry.streak = 0
  entry.probe = 0
  entry.probe_ends = 0
  entry.passed = 0
  entry.refused_at = 0
  entry.opened = now
  -- Without a number, one slot is free at once.
  restart(entry, question, now)
  return 0
end

local QUESTION = {'serial', 'kind', 'quiet', 'gap', 'burst', 'grow', 'left', 'refused'}
local ANSWER = {'written', 'quiet', 'gap', 'burst', 'serial'}

local question = bounded(question_of(QUESTION))
local is_quiet = question.kind == QUIET and question.quiet > 0
local makes = is_quiet or (question.gap > 0 and question.kind ~= PROBING)
local entry = read(FIELDS)
if entry then
  move(entry)
elseif makes then
  entry = new(question.gap, math.max(question.burst, THOUSAND), question.serial)
else
  return answer_of(ANSWER, {})
end
local is_current = question.serial >= entry.serial
local news_in = nil
if is_quiet and now + question.quiet > entry.quiet then
  news_in = write_quiet(entry, question)
elseif question.kind == ANNOUNCED and is_current and entry.quiet == 0 then
  news_in = write_announced(entry, question)
elseif question.kind == OPENED and is_current then
  news_in = write_opened(entry, question)
elseif question.kind == PROBING and entry.probe == member and entry.quiet > 0 and entry.quiet <= now then
  entry.probe_ends = now + PROBE
  news_in = PROBE
end
write(FIELDS, entry, expires_in(entry))
if news_in then
  -- `hr1:{NAME:p:ID}` is the key, and `hr1:NAME:news` the channel.
  local name, id = string.match(KEYS[1], '^hr1:{(.*):p:(%x*)}$')
  local news = {entry.serial, question.kind, news_in, entry.gap, entry.burst}
  redis.call('PUBLISH', 'hr1:' .. name .. ':news', string.format('1 %s %d %d %d %d %d', id, unpack(news)))
end
return answer_of(ANSWER, {
  written = news_in and 1 or 0,
  quiet = entry.quiet > now and entry.quiet - now or 0,
  gap = entry.gap,
  burst = entry.burst,
  serial = entry.serial,
})
