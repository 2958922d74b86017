-- A member reports what it sent, and gets slots, or the time at which it may ask for some.

local FREE, PACED, QUIET, PROBING, WAIT = 0, 1, 2, 3, 4

local function bounded(question)
  question.want = bound(question.want, 0, MAX_COUNT)
  question.debt = bound(question.debt, 0, MAX_COUNT)
  question.back = bound(question.back, 0, MAX_COUNT)
  question.back_in = bound(question.back_in, 0, MAX_AHEAD)
  question.demand = bound(question.demand, 0, MAX_DEMAND)
  question.elapsed = bound(question.elapsed, 0, SECOND)
  question.served = bound(question.served, 0, MAX_COUNT)
  question.lease = bound(question.lease, 1, MAX_LEASE)
  question.serial = bound(question.serial, 0, MAX_SERIAL)
  question.gap = bound(question.gap, 0, MAX_GAP)
  question.burst = bound(question.burst, THOUSAND, MAX_BURST)
  question.quiet = bound(question.quiet, 0, MAX_QUIET)
  return question
end

local function hear_quiet(entry, quiet)
  if quiet > 0 and now + quiet > entry.quiet then
    if entry.since == 0 then
      entry.since = now
    end
    entry.quiet = now + quiet
  end
end

-- Takes in what a member knows that has not seen this entry yet, or that has seen a later one.
local function learn(entry, question)
  local is_young = now >= entry.born and now - entry.born < YOUNG
  if is_young and question.serial ~= entry.serial then
    if question.gap > entry.gap then
      entry.gap = question.gap
      entry.burst = question.burst
    end
    hear_quiet(entry, question.quiet)
  end
  if question.serial > entry.serial then
    void(entry, question.serial)
  end
end

local function take_report(entry, question)
  if entry.gap == 0 then
    return
  end
  if question.ahead == 1 then
    entry.ahead = math.max(entry.ahead, now + 2 * question.lease)
  end
  lapse(entry)
  -- The sends of a member that was alone come back as debt, and those of an hour would hold all others.
  local debt = math.min(question.debt, div(entry.burst, THOUSAND)) * entry.gap
  entry.tat = math.min(entry.tat + debt, math.max(entry.tat, now + MAX_AHEAD))
  -- The server has had no room for slots that were in hand while the whole burst was free. They were given out at the
  -- member's last question at the latest.
  local is_good = question.elapsed < SECOND and entry.full_at <= now - question.elapsed
  if question.serial == entry.serial and question.back > 0 and is_good then
    if entry.tat > now then
      entry.spare = entry.spare + question.back
      entry.spare_at = math.max(entry.spare_at, now + question.back_in)
    else
      entry.tat = entry.tat - question.back * entry.gap
    end
    lapse(entry)
  end
end

-- Counts the demand of a member, and returns its share of the demand of all.
local function take_demand(entry, question)
  local age = bound(now - entry.demand_at, 0, SECOND)
  local aged = entry.demand - div(entry.demand * age, SECOND)
  local own = div(question.demand * question.elapsed, SECOND)
  entry.demand = math.min(math.max(aged + own, question.demand), MAX_DEMAND_OF_ALL)
  entry.demand_at = now
  if entry.demand == 0 then
    return THOUSAND
  end
  return div(question.demand * THOUSAND, entry.demand)
end

local function give_probe(entry, question)
  local is_held = entry.probe ~= 0 and entry.probe ~= member and entry.probe_ends > now
  if is_held then
    return WAIT, 0, entry.probe_ends - now
  end
  if question.want == 0 then
    return WAIT, 0, 0
  end
  entry.probe = member
  entry.probe_ends = now + PROBE
  return PROBING, 1, 0
end

-- Returns the state, the slots and the time of the first of them.
local function give(entry, question)
  if entry.quiet > now then
    return QUIET, 0, entry.quiet - now
  end
  if entry.quiet > 0 then
    return give_probe(entry, question)
  end
  if entry.gap == 0 then
    return FREE, 0, 0
  end
  local fair = 1
  if entry.demand ~= 0 then
    fair = math.max(div(2 * question.lease * question.demand, entry.gap * entry.demand), 1)
  end
  local count = math.min(question.want, fair)
  if count > 0 and entry.spare > 0 and entry.spare_at <= now then
    count = math.min(count, entry.spare)
    entry.spare = entry.spare - count
    -- All of these are due, so the last one is due now.
    return PACED, count, -(count - 1) * entry.gap
  end
  local most = bound(div(now + MAX_AHEAD - entry.tat, entry.gap) + 1, 0, MAX_COUNT)
  count = math.min(count, most)
  local first = entry.tat - now
  entry.tat = entry.tat + count * entry.gap
  if count > 0 and entry.tat - entry.gap > now then
    -- A member that does not use these gives them back within a lease.
    entry.ahead = math.max(entry.ahead, entry.tat + question.lease)
  end
  return PACED, count, first
end

local function count_served(entry, question)
  if question.serial ~= entry.serial or entry.quiet > 0 then
    return
  end
  entry.passed = math.min(entry.passed + question.served, MILLION * MILLION)
  if entry.gap == 0 or entry.grow == 0 then
    return
  end
  -- Below a million sends in one report, so that the product stays below 2^53.
  local served = math.min(question.served, 100000)
  local shorter = entry.gap * math.min(entry.grow, MAX_GROW) * served + entry.carry
  entry.gap = math.max(entry.gap - div(shorter, MILLION), 1)
  entry.carry = shorter - div(shorter, MILLION) * MILLION
end

local QUESTION = {
  'want', 'debt', 'back', 'back_in', 'ahead', 'demand', 'elapsed', 'served', 'lease', 'serial', 'gap', 'burst', 'quiet',
}
local ANSWER = {
  'state', 'count', 'first', 'gap', 'quiet', 'serial', 'share', 'born', 'burst', 'passed', 'passed_in',
}

local question = bounded(question_of(QUESTION))
local entry = read(FIELDS)
if entry then
  move(entry)
  learn(entry, question)
elseif question.gap == 0 and question.quiet == 0 then
  return answer_of(ANSWER, {})
else
  entry = new(question.gap, question.burst, question.serial + 1)
  hear_quiet(entry, question.quiet)
end
take_report(entry, question)
local answer = {share = take_demand(entry, question)}
answer.state, answer.count, answer.first = give(entry, question)
count_served(entry, question)
answer.gap = entry.gap
answer.quiet = entry.quiet > now and entry.quiet - now or 0
answer.serial = entry.serial
answer.born = entry.born
answer.burst = entry.burst
answer.passed = entry.passed
answer.passed_in = entry.refused_at > 0 and entry.refused_at - entry.opened or 0
write(FIELDS, entry, expires_in(entry))
return answer_of(ANSWER, answer)
