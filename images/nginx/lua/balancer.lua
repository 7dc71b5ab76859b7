-- Sends each request to a container of the live release, in turn.
local absence = require "monopco.absence"
local balancer = require "ngx.balancer"
local event = require "monopco.event"
local ledger = require "monopco.ledger"
local live = require "monopco.live"
local workers = require "monopco.workers"

-- Seconds that an idle connection to the app is kept. Node closes idle ones after 5: were it the first to do so, it
-- could cross with a request, and one that must not be sent twice would be lost.
local IDLE = 2
local REQUESTS_PER_CONNECTION = 1000
-- A retry is one more try than the one that every request has.
local RETRIES = 1
-- The monitoring's own request: it is counted, but a site that only this one asks has no visitors.
local PROBE = "monopco-probe"
local shared = ngx.shared.monopco_live

local M = {}

-- Access phase: is there an app to ask, and may the client keep its connection?
function M.admit()
    local now, id = live.current(), ngx.var.request_id
    -- From inside the container a release can be tried during maintenance.
    local visitor = ngx.var.remote_addr ~= "127.0.0.1"
    local closed = now.maintenance and visitor
    ledger.open(id, visitor)
    if #now.targets == 0 or closed then
        ledger.refuse(id, closed)
        return ngx.exit(ngx.HTTP_SERVICE_UNAVAILABLE)
    end
    if visitor and ngx.var.http_user_agent ~= PROBE then
        ledger.visit()
    end
    if workers.closing() then
        return ngx.exec("@closing")
    end
    -- HTTP/2 tells its clients by itself which requests it will not answer.
    if ngx.req.http_version() < 2 and ngx.var.connection_upgrade == "" then
        ledger.promise(id)
    end
end

-- Access phase of what is answered from the volume: no app is asked, and no visit is counted.
function M.admit_file()
    local id = ngx.var.request_id
    ledger.open(id, ngx.var.remote_addr ~= "127.0.0.1")
    if workers.closing() then
        return ngx.exec("@closing_file")
    end
    if ngx.req.http_version() < 2 then
        ledger.promise(id)
    end
end

-- The last number of what nginx lists for the tries of a request. Mostly there was one.
local function last(list)
    return tonumber(list) or tonumber((list or ""):match("([^ ,:]+)$"))
end

local function is_live(target)
    for _, other in ipairs(live.current().targets) do
        if other.address == target.address then
            return true
        end
    end
    return false
end

-- The next peer in turn that is not absent and was not tried; when there is none, one that may not answer.
local function next_target(targets, tried)
    local turn, second_best = shared:incr("turn", 1, 0), nil
    for step = 0, #targets - 1 do
        local target = targets[(turn + step) % #targets + 1]
        -- By address: a change of the state makes new tables for the same peers.
        if not tried or target.address ~= tried.address then
            if not absence.is_absent(target.address) then
                return target
            end
            second_best = second_best or target
        end
    end
    return second_best or tried
end

-- Balancer phase, once for each try.
M.choose = event.guard(function()
    local id = ngx.var.request_id
    local tried = ledger.target(id)
    if tried then
        -- The try that begins now stands at the end of the list, with nothing yet.
        if ngx.var.upstream_bytes_sent:match("(%d+) : $") == "0" then
            absence.report(tried, is_live)
        end
    else
        balancer.set_more_tries(RETRIES)
    end
    local target = next_target(live.current().targets, tried)
    ledger.assign(id, target)
    assert(balancer.set_current_peer(target.host, target.port, target.pool))
    assert(balancer.enable_keepalive(IDLE, REQUESTS_PER_CONNECTION))
end)

-- Header filter: tells which release has answered. Pages of the proxy's own are nobody's answer.
M.announce = event.guard(function()
    local id = ngx.var.request_id
    local target = ledger.target(id)
    ledger.answered(id)
    if target and not ledger.taken_over(id) then
        ngx.header["X-Release"] = target.release
    end
end)

-- Log phase: the request has ended.
M.finish = event.guard(function()
    local id = ngx.var.request_id
    local target = ledger.target(id)
    if target and ngx.status ~= 499 and last(ngx.var.upstream_bytes_sent) == 0 then
        absence.report(target, is_live)
    end
    ledger.close(id, ngx.status, last(ngx.var.upstream_header_time) or last(ngx.var.upstream_response_time) or 0)
end)

return M
