-- The last five minutes of each release. Every request is counted in the slot of its time, a key per class of times,
-- and a slot is forgotten by itself: nobody has to clean up, and to read them no list of all keys is needed.
local figures = require "monopco.figures"
local keys = require "monopco.keys"

local SLOT = 10 -- seconds
local SLOTS = 30
-- Seconds that a slot is kept, from its first request on: until it is not asked for any more.
local KEPT = SLOT * (SLOTS + 2)
local shared = ngx.shared.monopco_recent

local M = {}
local counting, known -- the slot of now, and its keys

local function prefix(release, slot)
    return release .. "|" .. slot .. "|"
end

local function now()
    return math.floor(ngx.time() / SLOT)
end

local function key(release, name)
    return prefix(release, counting) .. name
end

local function key_of(release, name)
    local slot = now()
    if slot ~= counting then
        counting, known = slot, {}
    end
    return keys.once(known, release, name, key)
end

function M.count(release, class, failed)
    shared:incr(key_of(release, class), 1, 0, KEPT)
    if failed then
        shared:incr(key_of(release, "errors"), 1, 0, KEPT)
    end
end

function M.figures(release)
    local sum = figures.none()
    for slot = now() - SLOTS, now() do
        local key = prefix(release, slot)
        sum.errors = sum.errors + (shared:get(key .. "errors") or 0)
        for _, class in ipairs(figures.classes) do
            local count = shared:get(key .. class)
            if count then
                sum.requests = sum.requests + count
                sum.within[class] = (sum.within[class] or 0) + count
            end
        end
    end
    return sum
end

return M
