-- The accounts: which requests are in flight at which address, and what each release has answered. Totals are in
-- shared memory. What is in flight is counted under the number of the worker process, so that a worker which was
-- killed takes its requests out of the account. Requests from inside the container are nobody's visit: they are in
-- flight like all others, and in no total.
local figures = require "monopco.figures"
local keys = require "monopco.keys"
local recent = require "monopco.recent"
local workers = require "monopco.workers"

local PROMISED = "any"
-- A visit is noted again after so many seconds: what asks for it thinks in longer times.
local NOTED = 0.1
local shared = ngx.shared.monopco_ledger

local M = {}
local WITHIN = {} -- by class
for _, class in ipairs(figures.classes) do
    WITHIN[class] = "within|" .. class
end
local open = {} -- by request id: what is known of a request of this worker that has not ended
local noted = 0 -- when this worker noted a visit last
-- Names of accounts, made once: by kind and name, and by release and name.
local own_keys, total_keys = {}, {}

local function count(key, by)
    shared:incr(key, by, 0)
end

local function total_key(release, name)
    return "release|" .. release .. "|" .. name
end

local function own_key(kind, name)
    return kind .. "|" .. workers.pid() .. "|" .. name
end

local function total(release, name, by)
    count(keys.once(total_keys, release, name, total_key), by)
end

local function own(kind, name)
    return keys.once(own_keys, kind, name, own_key)
end

-- A process number can be that of a worker which was killed: nothing is in flight yet.
function M.begin_worker()
    for _, key in ipairs(shared:get_keys(0)) do
        if key:match("^%l+|" .. workers.pid() .. "|") then
            shared:delete(key)
        end
    end
end

-- A request came in, perhaps for the second time: for a file that was not there, and then for the app.
function M.open(id, visitor)
    open[id] = open[id] or { visitor = visitor }
end

-- It is a visitor's, and an app is asked.
function M.visit()
    local now = ngx.now()
    if math.abs(now - noted) >= NOTED then
        noted = now
        shared:set("visited", now)
    end
end

-- When a visitor came last; nil when there was none since nginx started.
function M.visited()
    return shared:get("visited")
end

-- The client will be told that its connection is kept.
function M.promise(id)
    if not open[id].promised then
        open[id].promised = true
        count(own("promised", PROMISED), 1)
    end
end

-- The request waits for the first byte of an answer of this release; nil when it does not wait any more.
local function wait_for(known, release)
    if known.awaited ~= release then
        if known.awaited then
            count(own("waiting", known.awaited), -1)
        end
        if release then
            count(own("waiting", release), 1)
        end
        known.awaited = release
    end
end

-- The request goes to `target` now; where it was before, it failed.
function M.assign(id, target)
    local known = open[id]
    wait_for(known, target.release)
    if known.target then
        count(own("flight", known.target.address), -1)
        if known.visitor then
            total(known.target.release, "retries", 1)
        end
    end
    known.target = target
    count(own("flight", target.address), 1)
end

-- Where the request is; nil when it reached no peer.
function M.target(id)
    return open[id] and open[id].target
end

-- The app has begun to answer.
function M.answered(id)
    if open[id] then
        wait_for(open[id], nil)
    end
end

local function add(release, status, milliseconds)
    local class = figures.class_of(milliseconds)
    total(release, "milliseconds", milliseconds)
    total(release, WITHIN[class], 1)
    recent.count(release, class, status >= 500)
    if status >= 500 then
        total(release, "errors_5xx", 1)
    elseif status == 499 then
        total(release, "left_by_client", 1)
    end
end

-- No app gives the answer.
function M.take_over(id)
    if open[id] then
        open[id].by_proxy = true
    end
end

function M.taken_over(id)
    return open[id] and open[id].by_proxy
end

-- The request has ended. `seconds` is the time to the first byte of the answer.
function M.close(id, status, seconds)
    local known = open[id]
    if not known then
        return
    end
    open[id] = nil
    wait_for(known, nil)
    if known.promised then
        count(own("promised", PROMISED), -1)
    end
    if known.visitor and known.by_proxy and status >= 500 and not known.meant then
        count("lost", 1)
        if not known.target then
            count("unanswered", 1)
        end
    end
    if known.target and known.visitor then
        add(known.target.release, status, seconds * 1000)
    end
    -- Last, so that who waits for it finds everything else done.
    if known.target then
        count(own("flight", known.target.address), -1)
    end
end

-- A request gets the maintenance page because no app is to be asked; `meant` says that somebody wants it so.
function M.refuse(id, meant)
    open[id].meant = meant
    count("refused", 1)
end

-- Requests of visitors that no app gave an answer to, and that got an error of the proxy's own.
function M.lost()
    return shared:get("lost") or 0
end

-- Those of them that reached no app, and so are in the totals of no release.
function M.unanswered()
    return shared:get("unanswered") or 0
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

-- Requests that this release has not begun to answer.
function M.waiting(release)
    return sum_of_workers("waiting")[release] or 0
end

-- Requests in flight whose client is told that its connection is kept.
function M.promised()
    return sum_of_workers("promised")[PROMISED] or 0
end

-- Figures of a release since nginx started.
function M.figures(release)
    local found = figures.none()
    found.errors = shared:get(total_key(release, "errors_5xx")) or 0
    for _, class in ipairs(figures.classes) do
        found.within[class] = shared:get(total_key(release, WITHIN[class]))
        found.requests = found.requests + (found.within[class] or 0)
    end
    return found
end

local function empty()
    return { total = 0, errors_5xx = 0, left_by_client = 0, retries = 0, milliseconds = 0, within = {} }
end

-- Totals by release; `live` is one of them, also when nobody has asked it anything.
function M.report(live)
    local releases = {}
    if live ~= "" then
        releases[live] = empty()
    end
    for _, key in ipairs(shared:get_keys(0)) do
        local release, name, class = key:match("^release|([^|]+)|([%w_]+)|?(%w*)$")
        if release then
            releases[release] = releases[release] or empty()
            if name == "within" then
                local within = shared:get(key)
                releases[release].within[class] = within
                releases[release].total = releases[release].total + (within or 0)
            else
                releases[release][name] = shared:get(key)
            end
        end
    end
    for _, totals in pairs(releases) do
        totals.p50_ms = figures.percentile(totals.within, 0.5)
        totals.p95_ms = figures.percentile(totals.within, 0.95)
    end
    return releases
end

-- Drops the totals of all releases but these (a set).
function M.keep_only(releases)
    total_keys = {}
    for _, key in ipairs(shared:get_keys(0)) do
        local release = key:match("^release|([^|]+)|")
        if release and not releases[release] then
            shared:delete(key)
        end
    end
end

return M
