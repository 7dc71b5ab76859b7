-- Events that a person wants to find in the log, one JSON line each. They do not go through nginx's error log, because
-- that quotes the request line, query string included.
local cjson = require "cjson.safe"

local M = {}

function M.tell(name, details)
    details.time = os.date("!%Y-%m-%dT%H:%M:%SZ")
    details.event = name
    io.stderr:write(cjson.encode(details), "\n")
    io.stderr:flush()
end

-- Runs `action`; a failure of ours is told and never ends the request.
function M.guard(action)
    return function()
        local fine, problem = xpcall(action, debug.traceback)
        if not fine then
            M.tell("failure in the proxy's own code", { problem = problem })
        end
    end
end

return M
