-- A member reports what its successes earned and its resends cost, and borrows tokens.

local FIELDS = {'at', 'tokens', 'capacity', 'min_rate', 'born', 'capacity_at', 'min_rate_at'}

local MAX_TOKENS = 4294967000
local MAX_MIN_RATE = 10000000
local MAX_ELAPSED = 600 * SECOND
local MAX_MEMBERS = 10000
local YOUNG = 30 * SECOND
local NAMED = 30 * SECOND

local function bounded(question)
  question.earned = bound(question.earned, 0, MAX_TOKENS)
  question.spent = bound(question.spent, 0, MAX_TOKENS)
  question.want = bound(question.want, 0, MAX_TOKENS)
  question.back = bound(question.back, 0, MAX_TOKENS)
  question.capacity = bound(question.capacity, 0, MAX_TOKENS)
  question.min_rate = bound(question.min_rate, 0, MAX_MIN_RATE)
  question.level = bound(question.level, -MAX_TOKENS, MAX_TOKENS)
  question.members = bound(question.members, 1, MAX_MEMBERS)
  return question
end

local function move(entry)
  local back = entry.at - now
  if back > 0 then
    entry.at = now
    entry.capacity_at = entry.capacity_at - back
    entry.min_rate_at = entry.min_rate_at - back
  end
end

-- Adds the tokens that the minimum has accrued. The time moves on by whole thousandths of a token, so that frequent reports lose
-- no more than a microsecond each.
local function accrue(entry)
  local elapsed = math.min(now - entry.at, MAX_ELAPSED)
  local accrued = div(elapsed * entry.min_rate, SECOND)
  entry.tokens = math.min(entry.tokens + accrued, entry.capacity)
  if entry.min_rate == 0 or entry.tokens == entry.capacity or now - entry.at > MAX_ELAPSED then
    entry.at = now
  else
    -- This rounds up.
    entry.at = entry.at - div(-accrued * SECOND, entry.min_rate)
  end
end

local function expires_in(entry)
  local to_fill = 0
  if entry.min_rate ~= 0 then
    to_fill = div(2 * entry.capacity, entry.min_rate) * SECOND
  end
  return bound(to_fill, 600 * SECOND, 86400 * SECOND)
end

local QUESTION = {'earned', 'spent', 'want', 'back', 'capacity', 'min_rate', 'level', 'born', 'members'}
local ANSWER = {'lent', 'level', 'born'}

local question = bounded(question_of(QUESTION))
local known = question.born > 0 and question.level or MAX_TOKENS
local entry = read(FIELDS) or {
  at = now,
  tokens = math.min(known, question.capacity),
  capacity = question.capacity,
  min_rate = question.min_rate,
  born = now,
  capacity_at = now,
  min_rate_at = now,
}
move(entry)
local is_young = now >= entry.born and now - entry.born < YOUNG
if is_young and question.born ~= entry.born then
  entry.tokens = math.min(entry.tokens, known)
end
accrue(entry)
if question.capacity <= entry.capacity or now - entry.capacity_at > NAMED then
  entry.capacity = question.capacity
  entry.capacity_at = now
end
if question.min_rate <= entry.min_rate or now - entry.min_rate_at > NAMED then
  entry.min_rate = question.min_rate
  entry.min_rate_at = now
end
local added = math.min(entry.tokens + question.earned + question.back, entry.capacity)
entry.tokens = math.max(added - question.spent, -entry.capacity)
local part = math.max(div(entry.capacity, 4 * question.members), THOUSAND)
local lent = math.min(question.want, part, math.max(entry.tokens, 0))
entry.tokens = entry.tokens - lent
write(FIELDS, entry, expires_in(entry))
return answer_of(ANSWER, {lent = lent, level = entry.tokens, born = entry.born})
