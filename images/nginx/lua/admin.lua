-- The admin API. It listens on a unix socket in a directory that only nginx's own user can enter, never on TCP.
local cjson = require "cjson.safe"
local absence = require "monopco.absence"
local event = require "monopco.event"
local ledger = require "monopco.ledger"
local live = require "monopco.live"
local workers = require "monopco.workers"

local POLL = 0.02
-- A reload that was announced and never came is forgotten after this many seconds.
local ANNOUNCED = 60

local M = {}
local routes = {}

local function reply(status, content)
    ngx.status = status
    if type(content) == "table" then
        ngx.header["Content-Type"] = "application/json"
        -- The encoder cannot tell an empty list from an empty object.
        ngx.say((cjson.encode(content):gsub('"(%l+)":{}', { peers = '"peers":[]', draining = '"draining":[]' })))
    else
        ngx.say(content)
    end
end

-- Waits until `done` says so, `seconds` at most; returns whether it did, and the seconds that it took.
local function wait(seconds, done)
    local start, fine = ngx.now(), done()
    while not fine and ngx.now() - start < seconds do
        ngx.sleep(POLL)
        fine = done()
    end
    return fine, ngx.now() - start
end

-- Addresses that are not live and still have requests in flight, and the number of those.
local function draining()
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

routes["GET /status"] = function()
    local now, in_flight, peers = live.current(), ledger.in_flight(), {}
    for number, address in ipairs(now.peers) do
        peers[number] = {
            address = address, release = now.release, inflight = in_flight[address] or 0, down = absence.is_absent(address),
        }
    end
    reply(200, {
        release = now.release, since = now.since, maintenance = now.maintenance, peers = peers, draining = draining(),
        requests = ledger.report(), refused = ledger.refused(), switch = now.switch,
        connections = { active = tonumber(ngx.var.connections_active), waiting = tonumber(ngx.var.connections_waiting) },
    })
end

routes["POST /switch"] = function(arguments)
    local release, addresses = arguments.release or "", {}
    if not release:match("^[%w._-]+$") or #release > 64 then
        return reply(400, "the release must be 1 to 64 letters, digits, dots, dashes or underscores")
    end
    for address in (arguments.peers or ""):gmatch("[^,]+") do
        if not live.valid(address) then
            return reply(400, "not an IP address with a port: " .. address)
        end
        addresses[#addresses + 1] = address
    end
    if #addresses == 0 then
        return reply(400, "at least one peer is needed")
    end
    local before = live.current().release
    local done, problem = live.switch(release, addresses)
    if not done then
        return reply(500, "the peers could not be written: " .. tostring(problem))
    end
    ledger.keep_only({ [before] = true, [release] = true })
    event.tell("switched", { from = before, to = release, peers = table.concat(addresses, " ") })
    reply(200, before)
end

routes["POST /revert"] = function()
    local from = live.current().release
    live.revert()
    event.tell("switched back", { from = from, to = live.current().release })
    reply(200, live.current().release)
end

routes["POST /drain"] = function(arguments)
    local requests
    local drained, waited = wait(tonumber(arguments.seconds) or 0, function()
        requests = select(2, draining())
        return requests == 0
    end)
    local report = {
        release = live.current().release, from = arguments.from, drained = drained, cut = requests,
        waited_seconds = math.floor(waited * 1000 + 0.5) / 1000, at = os.date("!%Y-%m-%dT%H:%M:%SZ"),
    }
    live.record(report)
    event.tell("drained", { release = report.release, drained = drained, waited_seconds = report.waited_seconds })
    reply(200, report)
end

routes["POST /maintenance"] = function(arguments)
    if not (arguments.on or arguments.off) then
        return reply(400, "say ?on or ?off")
    end
    live.set_maintenance(arguments.on ~= nil)
    event.tell("maintenance", { on = live.current().maintenance })
    reply(200, { maintenance = live.current().maintenance })
end

-- Announces a reload and waits until no client relies on its connection any more: none has an answer under way that
-- keeps it (asked first: such a connection is idle next), and none is idle.
routes["POST /closing"] = function(arguments)
    workers.set_closing(ANNOUNCED)
    local quiet, waited = wait(tonumber(arguments.seconds) or 0, function()
        return ledger.promised() == 0 and tonumber(ngx.var.connections_waiting) == 0
    end)
    reply(200, { quiet = quiet, waited_seconds = waited })
end

routes["DELETE /closing"] = function()
    workers.set_closing(0)
    reply(200, "")
end

-- Waits until all workers run the configuration with this MD5; answers 504 when they do not.
routes["GET /configuration"] = function(arguments)
    local settled = wait(tonumber(arguments.seconds) or 0, function()
        return workers.all_run(arguments.md5)
    end)
    reply(settled and 200 or 504, settled and "in use" or "not in use")
end

function M.serve()
    local route = routes[ngx.req.get_method() .. " " .. ngx.var.uri]
    if not route then
        return reply(404, "unknown: see images/nginx/lua/admin.lua")
    end
    route(ngx.req.get_uri_args())
end

return M
