"""What the redis store runs in the server, in Lua: each verb in one step, one round trip.

Time is the server's (`TIME`), so that replicas agree whose clocks do not. All numbers stay below
2^53, where Lua's are exact: microseconds since 1970 reach that in 2255. The arithmetic of `take` is
that of `proxy.algorithms.gcra` and `proxy.stores.buckets`; a test compares them step by step.

Arguments begin with the time in microseconds, empty in production, and with milliseconds that an
entry stays after it has ended, for whoever hands in the time.

A bucket is text: when it will be full, the time from empty to full of its quota, and the refusals
that count. A value has 16 digits in front: until when it stands.
"""

from __future__ import annotations

_CLOCK = """
local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local function milliseconds(from, till)
  return string.format('%.0f', math.max(math.ceil((till - from) / 1000), 1) + ARGV[2])
end
"""

_BUCKET = """
local function rescaled(used, before, tolerance)  -- used * tolerance / before, rounded up
  local whole, rest, bits = 0, 0, {}
  local more = math.fmod(tolerance, before)
  local times = (tolerance - more) / before
  while used > 0 do
    bits[#bits + 1] = math.fmod(used, 2)
    used = math.floor(used / 2)
  end
  for i = #bits, 1, -1 do  -- bit by bit, since the product may be above 2^53
    whole, rest = 2 * whole + bits[i] * times, 2 * rest + bits[i] * more
    while rest >= before do whole, rest = whole + 1, rest - before end
  end
  if rest > 0 then whole = whole + 1 end
  return whole
end
local function standing(key, now, tolerance)
  local raw = redis.call('GET', key)
  if not raw then return now, 0 end
  local full, before, refusals = string.match(raw, '^(%d+) (%d+) (%d+)$')
  full, before, refusals = tonumber(full), tonumber(before), tonumber(refusals)
  if full <= now then return now, 0 end
  if refusals == 0 then full = math.min(full, now + before) end
  if before ~= tolerance then full = now + rescaled(full - now, before, tolerance) end
  return full, refusals, before ~= tolerance
end
local function keep(key, full, tolerance, refusals, px)
  redis.call('SET', key, string.format('%.0f %.0f %.0f', full, tolerance, refusals), 'PX', px)
end
"""

TAKE = (
    _CLOCK
    + _BUCKET
    + """
local time = clock()
local wanted, stands, passed_all = {}, {}, true
for i, key in ipairs(KEYS) do
  local a = 2 + (i - 1) * 7
  local want = {
    cost = tonumber(ARGV[a + 1]) * ARGV[a + 2], tolerance = tonumber(ARGV[a + 3]),
    after = tonumber(ARGV[a + 4]), factor = tonumber(ARGV[a + 5]), most = tonumber(ARGV[a + 6]),
    ends = tonumber(ARGV[a + 7]), now = time,
  }
  if want.ends then want.now = 0 end
  if not stands[key] then
    local full, refusals, changed = standing(key, want.now, want.tolerance)
    stands[key] = {full = full, refusals = refusals, changed = changed, after = full}
  end
  local used = math.max(stands[key].after - want.now, 0) + want.cost
  want.passed = used <= want.tolerance
  if want.passed then
    stands[key].after = want.now + used
    want.used = used
  else
    passed_all = false
  end
  wanted[i] = want
end
local told = {}
for i, key in ipairs(KEYS) do
  local want, stand = wanted[i], stands[key]
  if passed_all then
    local px = milliseconds(want.now, stand.after)
    if want.ends then px = milliseconds(time, want.ends) end
    keep(key, stand.after, want.tolerance, stand.refusals, px)
  elseif not want.passed and stand.full > want.now and (want.most or stand.changed) then
    if want.most then
      stand.refusals = stand.refusals + 1
      if stand.refusals > want.after then
        local wait = math.min(want.most, math.ceil(want.cost * want.factor ^ (stand.refusals - want.after)))
        stand.full = math.max(stand.full, want.now + wait + want.tolerance - want.cost)
      end
    end
    -- Of another quota: kept by the new one, or it would fill by the old one until something passes.
    local px = milliseconds(want.now, stand.full)
    if want.ends then px = milliseconds(time, want.ends) end
    keep(key, stand.full, want.tolerance, stand.refusals, px)
  end
  if not passed_all then want.used = math.max(stand.full - want.now, 0) end
  told[2 * i - 1] = want.passed and 1 or 0
  told[2 * i] = want.used
end
return told
"""
)
"""KEYS: a bucket each. ARGV for each: cost, interval, tolerance; after, factor, most of a penalty or
empty; end of its period or empty. Returns whether it passed and what is used, for each."""

REFUND = (
    _CLOCK
    + _BUCKET
    + """
local now, give, tolerance, ends = clock(), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = now
if ends then now = 0 end
local full, refusals = standing(KEYS[1], now, tolerance)
full = math.max(full - give, now)
if full == now then
  redis.call('DEL', KEYS[1])
elseif give > 0 then
  local px = milliseconds(now, full)
  if ends then px = milliseconds(time, ends) end
  keep(KEYS[1], full, tolerance, refusals, px)
end
return full - now
"""
)
"""Give back so much of a bucket, or nothing: what is used then."""

_VALUE = (
    _CLOCK
    + """
local now = clock()
local function standing()
  local raw = redis.call('GET', KEYS[1])
  if raw and tonumber(string.sub(raw, 1, 16)) > now then return string.sub(raw, 17) end
  return false
end
local function write(value, ttl)
  if ttl <= 0 then
    redis.call('DEL', KEYS[1])
  else
    local entry = string.format('%016.0f', now + ttl) .. value
    redis.call('SET', KEYS[1], entry, 'PX', milliseconds(now, now + ttl))
  end
end
"""
)

CLAIM = (
    _VALUE
    + """
local found = standing()
if not found then write(ARGV[3], tonumber(ARGV[4])) end
return found
"""
)
CONFIRM = (
    _VALUE
    + """
if standing() ~= ARGV[5] then return 0 end
write(ARGV[3], tonumber(ARGV[4]))
return 1
"""
)
GET = _VALUE + "return standing()"
SET = _VALUE + "write(ARGV[3], tonumber(ARGV[4]))"

LEASE = (
    _CLOCK
    + """
local now, limit, ttl = clock(), tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if not redis.call('ZSCORE', KEYS[1], ARGV[3]) and redis.call('ZCARD', KEYS[1]) >= limit then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ttl), ARGV[3])
local last = tonumber(redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
redis.call('PEXPIRE', KEYS[1], milliseconds(now, last))
return 1
"""
)
RELEASE = "redis.call('ZREM', KEYS[1], ARGV[3])"
