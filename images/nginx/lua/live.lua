-- What is live: the release, the addresses of its containers, whether maintenance is on, and what was live before. It
-- is one JSON text in shared memory, so that all workers change over at once without a reload, and the same text in a
-- file of the volume, so that a restart of nginx goes on where it was.
--
--   name      what the peers are looked up by (names.lua): NAME:PORT on a swarm, where containers come and go; empty when
--             the peers are fixed
--   before    what was live before the last switch, to go back to; false when there is nothing
--   pending   whether the last switch has yet to be called good or taken back
--   history   the releases that were live and good before, oldest first
--   switch    what the last switch has reported
local cjson = require "cjson.safe"
local event = require "monopco.event"
local ffi = require "ffi"

ffi.cdef [[
int fileno(void *stream);
int fsync(int fd);
]]

local FILE = "/var/lib/monopco/peers"
local FIELDS = { "release", "since", "peers", "name", "maintenance", "switch", "before", "pending", "history" }
local NOTHING = {
    release = "", since = "", peers = {}, name = "", targets = {}, maintenance = false, before = false, pending = false, history = {},
}
local REMEMBERED = 20 -- releases
-- Seconds after which a worker that was killed while it wrote holds nobody up any more.
local WRITING = 5
-- nginx compares this much of a pool's name.
local POOL_LENGTH = 32
local shared = ngx.shared.monopco_live

local M = {}
local version, state = nil, NOTHING

local function octets_fit(host)
    for octet in host:gmatch("%d+") do
        if tonumber(octet) > 255 then
            return false
        end
    end
    return true
end

-- "10.0.0.5:3000" or "[fd00::5]:3000" as host and port; nil for anything else.
local function split(address)
    local host, port = address:match("^(%d+%.%d+%.%d+%.%d+):(%d+)$")
    if host and not octets_fit(host) then
        return nil
    end
    if not host then
        host, port = address:match("^(%[[%x:]+%]):(%d+)$")
    end
    port = tonumber(port)
    if host and port >= 1 and port <= 65535 then
        return host, port
    end
end

local function parse(json)
    local parsed = cjson.decode(json)
    if type(parsed) ~= "table" or type(parsed.release) ~= "string" or type(parsed.peers) ~= "table" then
        return nil
    end
    parsed.targets, parsed.history = {}, parsed.history or {}
    parsed.before, parsed.pending = parsed.before or false, parsed.pending or false
    parsed.name = parsed.name or ""
    for number, address in ipairs(parsed.peers) do
        local host, port = split(tostring(address))
        if not host then
            return nil
        end
        -- Kept connections are pooled by address and release: one to a container that is gone is never used for
        -- another release, even where its address is given again.
        local pool = parsed.release:sub(-POOL_LENGTH)
        parsed.targets[number] = { address = address, host = host, port = port, pool = pool, release = parsed.release }
    end
    return parsed
end

-- Whole or not at all, also when the machine loses its power.
local function save(json)
    local file, problem = io.open(FILE .. ".new", "w")
    if not file then
        return nil, problem
    end
    local written = file:write(json) and file:flush() and ffi.C.fsync(ffi.C.fileno(file)) == 0
    file:close()
    if not written then
        return nil, "cannot write " .. FILE .. ".new"
    end
    return os.rename(FILE .. ".new", FILE)
end

-- The version is what each request looks at: it is a number, and the state a text of a kilobyte and more. It comes after
-- the state, so that whoever sees it sees that state.
local function remember(json)
    local done, problem = shared:safe_set("state", json)
    if done then
        shared:incr("version", 1, 0)
    end
    return done, problem
end

local function write(changes)
    local now, new = M.current(), {}
    for _, field in ipairs(FIELDS) do
        new[field] = changes[field]
        if new[field] == nil then
            new[field] = now[field]
        end
    end
    local json = cjson.encode(new)
    local saved, problem = save(json)
    if not saved and not changes.regardless then
        return nil, problem
    end
    return remember(json)
end

-- Makes the changes that `wanted` gives for the present state. One at a time: maintenance may be switched on while a
-- watch goes on in another worker.
local function change(wanted)
    while not shared:add("writing", true, WRITING) do
        ngx.sleep(0.005)
    end
    local fine, done, problem = pcall(function()
        return write(wanted(M.current()))
    end)
    shared:delete("writing")
    if not fine then
        return nil, done
    end
    return done, problem
end

-- The history once the last switch is good: going back to a release forgets those after it and the one that was left.
local function history_of(now)
    local left, history = now.before and now.before.release or "", {}
    if not now.pending then
        return now.history
    end
    for _, release in ipairs(now.history) do
        if release == now.release then
            return history
        end
        history[#history + 1] = release
    end
    if left ~= "" and left ~= now.release then
        history[#history + 1] = left
    end
    if #history > REMEMBERED then
        table.remove(history, 1)
    end
    return history
end

-- At the start of nginx; after a reload the shared memory still has the state.
function M.load()
    if shared:get("state") then
        return
    end
    local file = io.open(FILE)
    local json = file and file:read("*a")
    if file then
        file:close()
    end
    if json and parse(json) then
        remember(json)
    elseif json then
        event.tell("the file of the peers is damaged: no app is known until the next switch", { file = FILE })
    end
end

-- Where the peers are looked up, other ones behind the same name are no change.
local function same(now, release, addresses, name)
    return now.release == release and now.name == name
        and (name ~= "" or table.concat(now.peers, " ") == table.concat(addresses, " "))
end

function M.current()
    local now = shared:get("version")
    if now ~= version then
        local json = shared:get("state")
        version, state = now, json and parse(json) or NOTHING
    end
    return state
end

function M.valid(address)
    return split(address) ~= nil
end

-- What the requests can go back to: another release. Nil after a switch that changed only the containers.
function M.before()
    local now = M.current()
    local before = now.before
    if before and before.release ~= "" and before.release ~= now.release then
        return before
    end
end

function M.has(release, addresses, name)
    return same(M.current(), release, addresses, name)
end

function M.valid_name(name)
    local port = tonumber(name:match("^%a[%w._-]*:(%d+)$"))
    return port ~= nil and port >= 1 and port <= 65535
end

-- Gives the requests to these addresses from now on; says also when they have them already. A switch before it that
-- was never called good or bad, because its watch was cut short, counts as good: its release has stayed.
function M.switch(release, addresses, name)
    return change(function(now)
        if same(now, release, addresses, name) then
            return {}
        end
        local history = history_of(now)
        return {
            release = release, peers = addresses, name = name, history = history, pending = true,
            since = now.release == release and now.since or os.date("!%Y-%m-%dT%H:%M:%SZ"),
            before = {
                release = now.release, since = now.since, peers = now.peers, name = now.name, history = history,
                at = ngx.now(),
            },
        }
    end)
end

-- The addresses that are behind the name now; nothing when it is not the live one's any more.
function M.follow(name, addresses)
    return change(function(now)
        return now.name == name and { peers = addresses } or {}
    end)
end

-- The last switch was good.
function M.settle(report)
    return change(function(now)
        return { history = history_of(now), pending = false, switch = report }
    end)
end

-- Back to what was live before the last switch. That is done also when it cannot be written down.
function M.revert()
    return change(function(now)
        local back = now.before or NOTHING
        return {
            release = back.release, since = back.since, peers = back.peers, name = back.name or "",
            history = back.history, before = false, pending = false, regardless = true,
        }
    end)
end

function M.set_maintenance(on)
    return change(function()
        return { maintenance = on }
    end)
end

function M.record(report)
    return change(function()
        return { switch = report }
    end)
end

return M
