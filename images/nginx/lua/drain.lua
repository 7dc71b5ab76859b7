-- The drain: what is left to answer at addresses that are not live any more.
local ledger = require "monopco.ledger"
local live = require "monopco.live"

local M = {}
local Drain = {}
Drain.__index = Drain

-- Addresses that are not live and still have requests in flight, and the number of those.
function M.left()
    local current, list, requests = {}, {}, 0
    for _, address in ipairs(live.current().peers) do
        current[address] = true
    end
    for address, count in pairs(ledger.in_flight()) do
        if not current[address] and count > 0 then
            list[#list + 1] = { address = address, inflight = count }
            requests = requests + count
        end
    end
    return list, requests
end

function M.begin(seconds)
    return setmetatable({ start = ngx.now(), seconds = seconds, drained = false }, Drain)
end

-- Whether no more has to be waited for. Who waits for something else meanwhile may look again: what ends later has not
-- been cut.
function Drain:over()
    if not self.drained then
        self.cut = select(2, M.left())
        self.drained = self.cut == 0
        self.waited = ngx.now() - self.start
    end
    return self.drained or self.waited >= self.seconds
end

return M
