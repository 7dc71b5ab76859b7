-- Peers that cannot be reached. Such a peer gets no request until a connection to it can be made again: that is tried
-- from here, so that no visitor has to wait for it.
local event = require "monopco.event"

local INTERVAL = 0.5 -- seconds between two attempts
local TIMEOUT = 1000 -- milliseconds for an attempt
-- Seconds after which a peer counts as present when nobody looks any more, because the worker that did has ended.
local FORGOTTEN = 3
local shared = ngx.shared.monopco_live

local M = {}

local function key(target)
    return "absent|" .. target.address
end

local function reachable(target)
    local socket = ngx.socket.tcp()
    socket:settimeout(TIMEOUT)
    local connected = socket:connect(target.host, target.port)
    socket:close()
    return connected
end

local function look(premature, target, watched)
    if premature then
        return
    end
    if reachable(target) then
        shared:delete(key(target))
        event.tell("peer can be reached again", { address = target.address, release = target.release })
    elseif watched(target) then
        shared:set(key(target), true, FORGOTTEN)
        ngx.timer.at(INTERVAL, look, target, watched)
    end
end

function M.is_absent(address)
    return shared:get("absent|" .. address) ~= nil
end

-- `watched` says whether the peer is still one that requests could go to.
function M.report(target, watched)
    if shared:add(key(target), true, FORGOTTEN) then
        event.tell("peer cannot be reached, left out", { address = target.address, release = target.release })
        ngx.timer.at(INTERVAL, look, target, watched)
    end
end

return M
