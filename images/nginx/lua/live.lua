-- What is live: the release, the addresses of its containers, and whether maintenance is on. It is one JSON text in
-- shared memory, so that all workers change over at once without a reload, and the same text in a file of the volume,
-- so that a restart of nginx goes on where it was.
local cjson = require "cjson.safe"
local event = require "monopco.event"
local ffi = require "ffi"

ffi.cdef [[
int fileno(void *stream);
int fsync(int fd);
]]

local FILE = "/var/lib/monopco/peers"
local FIELDS = { "release", "since", "peers", "maintenance", "switch" }
local NOTHING = { release = "", since = "", peers = {}, targets = {}, maintenance = false }
-- nginx compares this much of a pool's name.
local POOL_LENGTH = 32
local shared = ngx.shared.monopco_live

local M = {}
local text, state = nil, NOTHING

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
    parsed.targets = {}
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

local function change(changes)
    local now, new = M.current(), {}
    for _, field in ipairs(FIELDS) do
        new[field] = changes[field]
        if new[field] == nil then
            new[field] = now[field]
        end
    end
    local json = cjson.encode(new)
    local saved, problem = save(json)
    if not saved then
        return nil, problem
    end
    return shared:safe_set("state", json)
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
        shared:set("state", json)
    elseif json then
        event.tell("the file of the peers is damaged: no app is known until the next switch", { file = FILE })
    end
end

function M.current()
    local now = shared:get("state")
    if now ~= text then
        text, state = now, now and parse(now) or NOTHING
    end
    return state
end

function M.valid(address)
    return split(address) ~= nil
end

-- Gives the requests to these addresses from now on; says also when they have them already.
function M.switch(release, addresses)
    local now = M.current()
    if now.release == release and table.concat(now.peers, " ") == table.concat(addresses, " ") then
        return true
    end
    shared:set("before", text)
    local since = now.release == release and now.since or os.date("!%Y-%m-%dT%H:%M:%SZ")
    return change({ release = release, since = since, peers = addresses })
end

-- Back to what was live before the last switch.
function M.revert()
    local before = shared:get("before")
    return change(before and parse(before) or NOTHING)
end

function M.set_maintenance(on)
    return change({ maintenance = on })
end

function M.record(switch)
    return change({ switch = switch })
end

return M
