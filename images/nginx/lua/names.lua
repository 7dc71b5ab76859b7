-- The containers of the live release on a swarm, where they come and go: their addresses are looked up by name, a few
-- times a second. Docker takes a container out of its DNS before it tells it to stop. A look that finds nothing changes
-- nothing: whether a peer answers is seen by absence.lua.
local event = require "monopco.event"
local live = require "monopco.live"

local SERVER, PORT = "127.0.0.11", 53 -- Docker's own, in every container
local INTERVAL = 0.3 -- seconds between two looks
local TIMEOUT = 2000 -- milliseconds
local HEADER = 12 -- bytes
local A, IN = 1, 1

local M = {}

local function number(text, at)
    local high, low = text:byte(at, at + 1)
    return high and low and high * 256 + low
end

local function two(value)
    return string.char(math.floor(value / 256), value % 256)
end

-- A question by TCP, which is never cut short.
local function question(id, host)
    local labels = {}
    for label in host:gmatch("[^.]+") do
        labels[#labels + 1] = string.char(#label) .. label
    end
    local message = two(id) .. two(0x0100) .. two(1) .. two(0) .. two(0) .. two(0)
        .. table.concat(labels) .. "\0" .. two(A) .. two(IN)
    return two(#message) .. message
end

-- Where the name that begins at `at` has ended.
local function past_name(text, at)
    local length = text:byte(at)
    while length and length > 0 and length < 192 do
        at = at + 1 + length
        length = text:byte(at)
    end
    return length and at + (length == 0 and 1 or 2)
end

-- The addresses in an answer; nil when it is none to this question.
function M.addresses(text, id)
    if #text < HEADER or number(text, 1) ~= id or text:byte(4) % 16 ~= 0 then
        return nil
    end
    local found, at = {}, past_name(text, HEADER + 1)
    at = at and at + 4
    for _ = 1, number(text, 7) do
        at = at and past_name(text, at)
        local kind, length = at and number(text, at), at and number(text, at + 8)
        if not (kind and length and #text >= at + 9 + length) then
            return nil
        end
        if kind == A and length == 4 then
            found[#found + 1] = ("%d.%d.%d.%d"):format(text:byte(at + 10, at + 13))
        end
        at = at + 10 + length
    end
    table.sort(found)
    return found
end

local function ask(host)
    local socket, id = ngx.socket.tcp(), math.random(0, 65535)
    socket:settimeout(TIMEOUT)
    local answer
    if socket:connect(SERVER, PORT) and socket:send(question(id, host)) then
        local length = socket:receive(2)
        answer = length and socket:receive(number(length, 1))
    end
    socket:close()
    return answer and M.addresses(answer, id)
end

local function look_up(name)
    local host, port = name:match("^(.*):(%d+)$")
    local found = ask(host)
    if not found or #found == 0 then
        return
    end
    for place, address in ipairs(found) do
        found[place] = address .. ":" .. port
    end
    local known = { unpack(live.current().peers) }
    table.sort(known)
    if table.concat(known, " ") ~= table.concat(found, " ") and live.follow(name, found) then
        event.tell("peers have changed", { name = name, peers = table.concat(found, " ") })
    end
end

local function look(premature)
    if premature then
        return
    end
    local name = live.current().name
    if name ~= "" then
        local fine, problem = pcall(look_up, name)
        if not fine then
            event.tell("the peers could not be looked up", { name = name, problem = problem })
        end
    end
    ngx.timer.at(INTERVAL, look)
end

-- One worker looks for all; the state is shared.
function M.begin_worker()
    if ngx.worker.id() == 0 then
        ngx.timer.at(0, look)
    end
end

return M
