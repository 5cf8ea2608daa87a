-- The requests that wrk sends: one POST, with the tokens of a file in turn. Arguments: BODY, FILE (one token a line), and
-- the number of its tokens that an earlier run has used. Prints the counts as one line of JSON.
local before, after, tokens

local function token()
  local line = tokens:read()
  if not line then
    tokens:seek("set")
    line = tokens:read()
  end
  return line
end

function init(arguments)
  wrk.method, wrk.body = "POST", arguments[1]
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer @"
  before, after = wrk.format():match("^(.-Bearer )@(.*)$")
  tokens = assert(io.open(arguments[2]))
  local first, second = token(), tokens:read()
  tokens:seek("set", tonumber(arguments[3]) * (#first + 1))
  if not second then
    local request_text = before .. first .. after
    request = function() return request_text end
  end
end

function request()
  return before .. token() .. after
end

function done(summary)
  local e = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %f, "errors": %d}\n', summary.requests, summary.duration / 1e6,
    e.connect + e.read + e.write + e.timeout + e.status))
end
