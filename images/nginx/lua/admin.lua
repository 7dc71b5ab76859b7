-- The admin API. It listens on a unix socket in a directory that only nginx's own user can enter, never on TCP.
local cjson = require "cjson.safe"
local absence = require "monopco.absence"
local drain = require "monopco.drain"
local event = require "monopco.event"
local handover = require "monopco.handover"
local ledger = require "monopco.ledger"
local live = require "monopco.live"
local workers = require "monopco.workers"

local POLL = 0.02
-- A reload that was announced and never came is forgotten after this many seconds.
local ANNOUNCED = 60
local LINE = 300 -- bytes of a reason
-- The encoder cannot tell an empty list from an empty object.
local EMPTY_LISTS = { peers = '"peers":[]', draining = '"draining":[]', history = '"history":[]' }

local M = {}
local routes = {}

local function reply(status, content)
    ngx.status = status
    if type(content) == "table" then
        ngx.header["Content-Type"] = "application/json"
        ngx.say((cjson.encode(content):gsub('"(%l+)":{}', EMPTY_LISTS)))
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

-- A text for people that comes from outside, on one line; a character that would be cut in the middle is left out.
local function line(text)
    local plain = tostring(text or ""):gsub("%c+", " ")
    if #plain <= LINE then
        return plain
    end
    return (plain:sub(1, LINE):gsub("[\194-\244][\128-\191]*$", ""))
end

-- The report of a switch as one line of JSON; when the release was taken back, a line for a person after it.
local function reply_report(report, line_or_problem)
    if not report then
        return reply(409, line_or_problem)
    end
    reply(200, report)
    if line_or_problem then
        ngx.say(line_or_problem)
    end
end

routes["GET /live"] = function()
    reply(200, live.current().release)
end

routes["GET /status"] = function()
    local now, in_flight, peers = live.current(), ledger.in_flight(), {}
    for number, address in ipairs(now.peers) do
        peers[number] = {
            address = address, release = now.release, inflight = in_flight[address] or 0, down = absence.is_absent(address),
        }
    end
    reply(200, {
        release = now.release, since = now.since, maintenance = now.maintenance, peers = peers, draining = drain.left(),
        history = now.history, previous = now.history[#now.history] or "", pending = now.pending, switch = now.switch,
        requests = ledger.report(now.release), refused = ledger.refused(), lost = ledger.lost(),
        connections = { active = tonumber(ngx.var.connections_active), waiting = tonumber(ngx.var.connections_waiting) },
    })
end

routes["POST /switch"] = function(arguments)
    local release, name, addresses = arguments.release or "", arguments.name or "", {}
    if not release:match("^[%w._-]+$") or #release > 64 then
        return reply(400, "the release must be 1 to 64 letters, digits, dots, dashes or underscores")
    end
    if name ~= "" and not live.valid_name(name) then
        return reply(400, "not a name with a port: " .. name)
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
    local mark = handover.mark(release, addresses, name)
    local done, problem = live.switch(release, addresses, name)
    if not done then
        return reply(500, "the peers could not be written: " .. tostring(problem))
    end
    handover.begin(mark)
    ledger.keep_only({ [mark.from] = true, [release] = true })
    event.tell("switched", { from = mark.from, to = release, peers = table.concat(addresses, " ") })
    reply(200, mark.from)
end

-- Waits until the switch is over: the release before has nothing left to answer, and the new one is good or taken back.
routes["POST /finish"] = function(arguments)
    reply_report(handover.finish(tonumber(arguments.drain) or 0, tonumber(arguments.watch) or 0))
end

-- The containers that the requests can go back to, one a line.
routes["GET /before"] = function()
    local before = live.before()
    if not before then
        return reply(404, "there is nothing to go back to")
    end
    reply(200, table.concat(before.peers, "\n"))
end

-- Takes back a release whose switch is over.
routes["POST /back"] = function(arguments)
    reply_report(handover.back(line(arguments.reason)))
end

-- Has the switch that goes on take its release back.
routes["POST /interrupt"] = function(arguments)
    handover.interrupt(line(arguments.reason))
    reply(200, "")
end

-- Answers with the switch's report when it did so, and 404 when it had ended before.
routes["DELETE /interrupt"] = function()
    local heard = handover.was_interrupted()
    reply(heard and 200 or 404, heard and live.current().switch or "no switch was interrupted")
end

-- Gives the requests back at once, without a report, when they are not answered as they should be.
routes["POST /revert"] = function()
    local from = live.current().release
    handover.cancel()
    event.tell("switched back", { from = from, to = live.current().release })
    reply(200, live.current().release)
end

routes["POST /maintenance"] = function(arguments)
    if not (arguments.on or arguments.off) then
        return reply(400, "say ?on or ?off")
    end
    local done, problem = live.set_maintenance(arguments.on ~= nil)
    if not done then
        return reply(500, "it could not be written: " .. tostring(problem))
    end
    event.tell("maintenance", { on = live.current().maintenance })
    reply(200, { maintenance = live.current().maintenance })
end

routes["GET /maintenance"] = function()
    reply(200, live.current().maintenance and "on" or "off")
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
