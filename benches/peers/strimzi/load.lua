-- wrk's script: posts records, no two alike, and counts the answers that name an offset for each.
-- Arguments: FILE_OF_RECORDS EVENTS_EACH CONNECTIONS WARM_UP_S SECONDS; one thread.
--
-- The warm-up begins with as many answers as there are connections: the bridge makes a producer for each.
-- wrk alone would leave requests unanswered at its end, and nobody would know whether they arrived:
-- here each connection rests when the time is over, and wrk ends when all are answered.

local ffi = require("ffi")
ffi.cdef [[
  struct span { long s; long ns; };
  int clock_gettime(int, struct span *);
  int getpid(void);
  int kill(int, int);
]]
local MONOTONIC = 1
local SIGINT = 2
local FOR_EVER_MS = 3600 * 1000
local HEX = "%08x-%04x-4%03x-%04x-%06x%06x"

local span = ffi.new("struct span")
local function now()
  ffi.C.clock_gettime(MONOTONIC, span)
  return tonumber(span.s) + tonumber(span.ns) / 1e9
end

local threads = {}
function setup(thread)
  table.insert(threads, thread)
end

local records, each, connections, warm_up = {}, nil, nil, nil
-- Not known before the warm-up.
local begins, ends = math.huge, math.huge
-- The first request wrk makes for itself before it connects.
local connected, under_way, answered, made = false, 0, 0, 0
-- Of events; global for `done`.
acknowledged, measured, wrong, unanswered = 0, 0, 0, 0

function init(args)
  for line in io.lines(args[1]) do
    table.insert(records, line)
  end
  each, connections, warm_up, seconds = tonumber(args[2]), tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  wrk.headers["Content-Type"] = "application/vnd.kafka.json.v2+json"
  math.randomseed(now() * 1000)
end

local function id()
  local random = math.random
  return HEX:format(random(0, 0xffffffff), random(0, 0xffff), random(0, 0xfff), random(0x8000, 0xbfff),
    random(0, 0xffffff), random(0, 0xffffff))
end

-- As Ctrl-C does: wrk ends in order.
local function stop_if_answered()
  if under_way == 0 and now() >= ends then
    ffi.C.kill(ffi.C.getpid(), SIGINT)
  end
end

-- Asked before each request, the first too.
function delay()
  if not connected then
    connected, under_way = true, 0
  end
  if now() < ends then
    return 0
  end
  stop_if_answered()
  return FOR_EVER_MS
end

function request()
  local list = {}
  for n = 1, each do
    made = made + 1
    local key = id()
    local filled = { ["{id}"] = key, ["{seq}"] = tostring(made) }
    local record = records[made % #records + 1]:gsub("{%a+}", filled)
    list[n] = '{"key":"' .. key .. '","value":' .. record .. "}"
  end
  under_way = under_way + 1
  unanswered = under_way
  return wrk.format("POST", nil, nil, '{"records":[' .. table.concat(list, ",") .. "]}")
end

function response(status, _, body)
  under_way = under_way - 1
  unanswered = under_way
  answered = answered + 1
  if answered == connections then
    begins = now() + warm_up
    ends = begins + seconds
  end
  local _, stored = body:gsub('"offset":', "")
  if status ~= 200 or stored ~= each then
    wrong = wrong + 1
    if wrong == 1 then
      io.stderr:write("the first wrong answer: ", status, " ", body, "\n")
    end
  else
    acknowledged = acknowledged + each
    local at = now()
    if at >= begins and at < ends then
      measured = measured + each
    end
  end
  stop_if_answered()
end

function done()
  local thread = threads[1]
  for _, what in ipairs({ "wrong", "unanswered" }) do
    local count = thread:get(what)
    if count > 0 then
      print(what .. " " .. count)
    end
  end
  print(("result %d %d %g"):format(thread:get("acknowledged"), thread:get("measured"), thread:get("seconds")))
end
