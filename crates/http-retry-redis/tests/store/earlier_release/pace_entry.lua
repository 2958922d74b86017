-- The entry of one key of a pace, which `lease` and `publish` change.

local FIELDS = {
  'born', 'at', 'tat', 'gap', 'burst', 'ahead', 'quiet', 'since', 'streak', 'probe', 'probe_ends', 'serial', 'passed',
  'refused_at', 'grow', 'demand', 'demand_at', 'opened', 'carry', 'spare', 'spare_at', 'full_at',
}

local MAX_GAP = SECOND
local MAX_BURST = MILLION * THOUSAND
local MAX_COUNT = MILLION
local MAX_DEMAND = MILLION * THOUSAND
local MAX_DEMAND_OF_ALL = 4 * MAX_DEMAND
local MAX_LEASE = 2 * SECOND
local MAX_QUIET = 86400 * SECOND
local MAX_SERIAL = 1125899906842624
local MAX_GROW = 10000
local MAX_AHEAD = 60 * SECOND
local PROBE = SECOND
local YOUNG = SECOND

-- Creates an entry of what one member knows. One slot is free at once, and no more.
local function new(gap, burst, serial)
  local entry = {}
  for _, name in ipairs(FIELDS) do
    entry[name] = 0
  end
  entry.born, entry.at, entry.tat, entry.demand_at = now, now, now, now
  entry.gap, entry.burst, entry.serial = gap, burst, serial
  return entry
end

-- Moves the times of the entry back if the store's clock is behind them, and notes the time.
local function move(entry)
  local back = entry.at - now
  if back > 0 then
    for _, name in ipairs({'tat', 'ahead', 'demand_at', 'spare_at'}) do
      entry[name] = entry[name] - back
    end
    -- In these, 0 means that there is no such time.
    for _, name in ipairs({'quiet', 'since', 'probe_ends', 'refused_at', 'opened', 'full_at'}) do
      if entry[name] > 0 then
        entry[name] = math.max(entry[name] - back, 1)
      end
    end
  end
  entry.at = now
end

-- Returns the part of the burst that the entry may earn, in thousandths.
local function room_of(entry)
  return entry.ahead > now and math.max(div(entry.burst, 2), THOUSAND) or entry.burst
end

-- Lets the slots lapse that the room does not hold.
local function lapse(entry)
  local room = room_of(entry)
  -- One slot of the burst is for the next one that falls due: the server may have had no room for it.
  entry.spare = math.min(entry.spare, div(room, THOUSAND) - 1)
  local free = room - entry.spare * THOUSAND - THOUSAND
  local earliest = now - div(free * entry.gap, THOUSAND)
  if entry.tat < earliest then
    entry.tat = earliest
    if room == entry.burst then
      entry.full_at = now
    end
  end
end

-- Makes all slots void that were given out before.
local function void(entry, known)
  entry.serial = math.max(entry.serial, known) + 1
  entry.spare = 0
  entry.spare_at = 0
end

local function expires_in(entry)
  return math.max(600 * SECOND, entry.quiet - entry.at + 60 * SECOND)
end
