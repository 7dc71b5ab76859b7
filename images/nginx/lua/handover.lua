-- The handover from one release to the next: from the moment of the switch until the old one has nothing left to
-- answer and the new one has proved no worse, or is taken back.
local cjson = require "cjson.safe"
local drain = require "monopco.drain"
local event = require "monopco.event"
local figures = require "monopco.figures"
local ledger = require "monopco.ledger"
local live = require "monopco.live"
local recent = require "monopco.recent"
local watch = require "monopco.watch"

local POLL = 0.02 -- seconds between two looks at the drain
local PAUSE = 0.2 -- the same when only the watch is left
-- The drain of a release that is taken back when nobody has said how long: the default of app.drainSeconds.
local DRAIN = 30
local shared = ngx.shared.monopco_live

local M = {}

local function rounded(seconds)
    return math.floor(seconds * 1000 + 0.5) / 1000
end

-- What is known at the moment of a switch; it is compared with later. To be called before the requests change over.
function M.mark(release, addresses, name)
    local from = live.current().release
    ngx.update_time()
    return {
        from = from, release = release, at = ngx.now(), lost = ledger.lost(), visited = ledger.visited(),
        old = watch.measure(recent.figures(from), ledger.figures(from)), new = ledger.figures(release),
        changes = not live.has(release, addresses, name), number = shared:incr("switches", 1, 0),
    }
end

-- The requests have changed over.
function M.begin(mark)
    shared:delete("interrupt")
    shared:delete("interrupted")
    shared:set("handover", cjson.encode(mark))
end

local function marked()
    local json = shared:get("handover")
    return json and cjson.decode(json)
end

local function new_figures(mark)
    return figures.since(mark.new, ledger.figures(mark.release))
end

-- What the watch found, for the report. `new` are the figures that were judged: meanwhile there may be more.
local function finding(mark, verdict, reason, new)
    return {
        verdict = verdict, reason = reason, seconds = verdict == "off" and 0 or rounded(ngx.now() - mark.at),
        new = figures.summary(new or new_figures(mark)), old = figures.summary(mark.old),
    }
end

local function report(mark, found, drained)
    return {
        release = mark.release, from = mark.from, drained = drained.drained, cut = drained.cut,
        waited_seconds = rounded(drained.waited), at = os.date("!%Y-%m-%dT%H:%M:%SZ"),
        lost = ledger.lost() - mark.lost, watch = found,
    }
end

-- Keeps a report by one of the ways that live.lua has; what cannot be kept is still given to who asked.
local function keep(way, done)
    local kept, problem = way(done)
    if not kept then
        event.tell("the report of a switch could not be written", { release = done.release, problem = problem })
    end
end

local function tell(name, done)
    event.tell(name, {
        release = done.release, from = done.from, drained = done.drained, waited_seconds = done.waited_seconds,
        lost = done.lost, verdict = done.watch.verdict, reason = done.watch.reason,
    })
end

-- Gives the requests back, and waits for those that the release has begun. Returns the report, and a line of it for a
-- person.
local function take_back(mark, found, seconds)
    live.revert()
    event.tell("switched back", { from = mark.release, to = live.current().release, reason = found.reason })
    local drained = drain.begin(seconds)
    while not drained:over() and not ngx.worker.exiting() do
        ngx.sleep(POLL)
    end
    local done = report(mark, found, drained)
    keep(live.record, done)
    tell("taken back", done)
    return done, ("release %s was taken back %.1f s after the switch: %s"):format(
        mark.release, found.seconds, found.reason)
end

local function settle(mark, found, drained)
    local done = report(mark, found, drained)
    keep(live.settle, done)
    tell("drained", done)
    return done
end

-- A word from outside that the release is bad. It is heard once, and only where those who had the requests before are
-- there for sure.
local function interruption(mark)
    local reason = shared:get("interrupt")
    if reason and mark.changes and live.before() then
        shared:delete("interrupt")
        shared:set("interrupted", true)
        return reason
    end
end

-- What the watch has found by now; nil while it goes on.
local function look(mark, window)
    if mark.from == "" or mark.from == mark.release or window == 0 then
        return finding(mark, "off")
    end
    local new, now = new_figures(mark), ngx.now()
    if new.requests ~= mark.answered then
        mark.answered, mark.answered_at = new.requests, now
    end
    local silence = { waiting = ledger.waiting(mark.release), seconds = now - mark.answered_at }
    local verdict, reason = watch.judge(mark, new, silence, ledger.visited(), now - mark.at, window)
    return verdict and finding(mark, verdict, reason, new)
end

-- Why a handover cannot go on here; what it did stays, and the next switch settles it.
local function hindrance(mark)
    if not mark then
        return "there is no switch to finish: nginx was started again after it"
    elseif mark.number ~= shared:get("switches") then
        return "another switch began before this one was done"
    elseif ngx.worker.exiting() then
        return "nginx ends; the requests stay with " .. mark.release
    end
end

-- Drains the old release for `seconds` at most, and watches the new one for `window` at the same time.
function M.finish(seconds, window)
    local mark, drained, found = marked(), drain.begin(seconds), nil
    while not hindrance(mark) do
        local over, reason = drained:over(), interruption(mark)
        found = reason and finding(mark, "worse", reason) or found or look(mark, window)
        if found and found.verdict == "worse" then
            return take_back(mark, found, seconds)
        elseif found and over then
            return settle(mark, found, drained)
        end
        ngx.sleep(over and PAUSE or POLL)
    end
    return nil, hindrance(mark)
end

-- Gives the requests back at once, without a report. A switch that changed nothing has nothing to give back: what was
-- before the one before it is gone.
function M.cancel()
    local mark = marked()
    if not mark or mark.changes then
        live.revert()
    end
end

-- Has the handover that goes on take its release back.
function M.interrupt(reason)
    shared:set("interrupt", reason)
end

-- Whether one did; says so once.
function M.was_interrupted()
    local heard = shared:get("interrupted")
    shared:delete("interrupt")
    shared:delete("interrupted")
    return heard
end

-- Takes back a release whose handover is over.
function M.back(reason)
    local now, before = live.current(), live.before()
    if not before then
        return nil, "there is nothing to go back to"
    end
    local mark = marked()
    if not mark or mark.release ~= now.release or mark.from ~= before.release then
        mark = {
            from = before.release, release = now.release, at = before.at or ngx.now(),
            old = ledger.figures(before.release), new = figures.none(),
        }
    end
    mark.lost = ledger.lost()
    return take_back(mark, finding(mark, "worse", reason), DRAIN)
end

return M
