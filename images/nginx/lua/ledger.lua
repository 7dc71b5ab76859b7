-- The accounts: which requests are in flight at which address, and what each release has answered. Totals are in
-- shared memory. What is in flight is counted under the number of the worker process, so that a worker which was
-- killed takes its requests out of the account.
local workers = require "monopco.workers"

-- Upper limits in milliseconds of the classes in which times to the first byte are counted.
local CLASSES = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000 }
local PROMISED = "any"
local shared = ngx.shared.monopco_ledger

local M = {}
local open = {} -- by request id: what is known of a request of this worker that has not ended

local function count(key, by)
    shared:incr(key, by, 0)
end

local function total(release, name, by)
    count("release|" .. release .. "|" .. name, by)
end

local function own(kind, name)
    return kind .. "|" .. workers.pid() .. "|" .. name
end

local function entry(id)
    local known = open[id]
    if not known then
        known = {}
        open[id] = known
    end
    return known
end

-- A process number can be that of a worker which was killed: nothing is in flight yet.
function M.begin_worker()
    for _, key in ipairs(shared:get_keys(0)) do
        if key:match("^%l+|" .. workers.pid() .. "|") then
            shared:delete(key)
        end
    end
end

-- The client will be told that its connection is kept.
function M.promise(id)
    entry(id).promised = true
    count(own("promised", PROMISED), 1)
end

-- The request goes to `target` now; where it was before, it failed.
function M.assign(id, target)
    local known = entry(id)
    if known.target then
        count(own("flight", known.target.address), -1)
        total(known.target.release, "retries", 1)
    end
    known.target = target
    count(own("flight", target.address), 1)
end

-- Where the request is; nil when it reached no peer.
function M.target(id)
    return open[id] and open[id].target
end

local function class_of(milliseconds)
    for _, limit in ipairs(CLASSES) do
        if milliseconds <= limit then
            return limit
        end
    end
    return "more"
end

-- The request has ended. `seconds` is the time to the first byte of the answer.
function M.close(id, status, seconds)
    local known = open[id]
    if not known then
        return
    end
    open[id] = nil
    if known.promised then
        count(own("promised", PROMISED), -1)
    end
    if not known.target then
        return
    end
    count(own("flight", known.target.address), -1)
    local release, milliseconds = known.target.release, seconds * 1000
    total(release, "total", 1)
    total(release, "milliseconds", milliseconds)
    total(release, "within|" .. class_of(milliseconds), 1)
    if status >= 500 then
        total(release, "errors_5xx", 1)
    elseif status == 499 then
        total(release, "left_by_client", 1)
    end
end

-- A request got the maintenance page because no app was to be asked.
function M.refuse()
    count("refused", 1)
end

function M.refused()
    return shared:get("refused") or 0
end

local function sum_of_workers(kind)
    local sums = {}
    for _, key in ipairs(shared:get_keys(0)) do
        local pid, name = key:match("^" .. kind .. "|(%d+)|(.+)$")
        if pid and workers.alive(pid) then
            sums[name] = (sums[name] or 0) + (shared:get(key) or 0)
        end
    end
    return sums
end

-- Requests in flight, by address.
function M.in_flight()
    return sum_of_workers("flight")
end

-- Requests in flight whose client is told that its connection is kept.
function M.promised()
    return sum_of_workers("promised")[PROMISED] or 0
end

-- Totals by release.
function M.report()
    local releases = {}
    for _, key in ipairs(shared:get_keys(0)) do
        local release, name, class = key:match("^release|([^|]+)|([%w_]+)|?(%w*)$")
        if release then
            releases[release] = releases[release]
                or { total = 0, errors_5xx = 0, left_by_client = 0, retries = 0, milliseconds = 0, within = {} }
            if name == "within" then
                releases[release].within[class] = shared:get(key)
            else
                releases[release][name] = shared:get(key)
            end
        end
    end
    return releases
end

-- Drops the totals of all releases but these (a set).
function M.keep_only(releases)
    for _, key in ipairs(shared:get_keys(0)) do
        local release = key:match("^release|([^|]+)|")
        if release and not releases[release] then
            shared:delete(key)
        end
    end
end

return M
