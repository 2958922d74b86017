-- The part that all scripts begin with. The scripts do what `http_retry::fleet::entry` does, word by word, and a test compares
-- them. All numbers are whole and below 2^53, and times are microseconds of the store's clock.
--
-- KEYS[1] is the entry. ARGV has the layout, the number of the member, and then the numbers of the question.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local member = tonumber(ARGV[2]) or 0

local SECOND, THOUSAND, MILLION = 1000000, 1000, 1000000

local function div(number, by)
  return math.floor(number / by)
end

local function bound(number, least, most)
  return math.min(math.max(number, least), most)
end

-- Reads the question. A number that is missing is 0, and further ones are those of a later release.
local function question_of(names)
  local question = {}
  for index, name in ipairs(names) do
    question[name] = tonumber(ARGV[index + 2]) or 0
  end
  return question
end

local function answer_of(names, answer)
  local numbers = {}
  for index, name in ipairs(names) do
    numbers[index] = answer[name] or 0
  end
  return numbers
end

-- Reads the entry, or returns nil if there is none.
local function read(fields)
  local values = redis.call('HMGET', KEYS[1], unpack(fields))
  local entry = {}
  for index, name in ipairs(fields) do
    entry[name] = tonumber(values[index] or 0) or 0
  end
  -- No entry was made at the time 0.
  return entry.born ~= 0 and entry or nil
end

-- Writes these fields of the entry. Fields of a later release stay as they are.
local function write(fields, entry, expires_in)
  local values = {}
  for index, name in ipairs(fields) do
    values[2 * index - 1] = name
    values[2 * index] = entry[name]
  end
  redis.call('HSET', KEYS[1], unpack(values))
  redis.call('PEXPIRE', KEYS[1], div(expires_in, THOUSAND))
end
