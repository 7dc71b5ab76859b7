-- The watch: whether a new release does clearly worse than the one before it, by what the proxy sees of both.
local figures = require "monopco.figures"

-- Errors that are needed to say anything: five where a third of that is usual come by chance in 3 of 100 cases
-- (Poisson, 1.7 expected); with fewer, chance is too likely.
local ERRORS = 5
-- How many times worse is clearly worse. Two neighbouring classes of times differ by 2.5 times at most, so this is
-- never one class alone.
local TIMES = 3
-- Errors per request that are nobody's alarm: the guide wants the rate to be below 1 %.
local ERROR_RATE = 0.01
-- Milliseconds that are nobody's alarm: the guide wants answers below 500 ms.
local MILLISECONDS = 500
-- Requests that are needed to compare times: their slowest 5 % are then five, as many as for errors.
local REQUESTS = 100
-- Seconds in which times say nothing: a process that has just started compiles its code and opens its connections.
local WARM_UP = 10
-- Seconds without one answer, while as many requests wait as there must be errors, in which a release is taken to hang. An app
-- whose requests usually wait so long (long polling) is not judged by it.
local SILENCE, PATIENT = 10, 1000
-- Nobody is there when no request came in so many seconds before the switch and after it: one page of a visitor asks
-- many times within a second, and a person who reads comes back later than anyone wants to wait.
local QUIET_BEFORE, QUIET_AFTER = 10, 5
-- The old release's last minutes are a measure from so many requests on: one error of 50 is 2 %, one of fewer would
-- weigh still more against ERROR_RATE. With fewer, all that is known of it is taken.
local ENOUGH = 50

local M = {}

-- 5120 as "5,120".
local function grouped(number)
    local text = ("%d"):format(number)
    return (text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function share_of_errors(seen)
    return ("%s of %s (%.1f %%)"):format(grouped(seen.errors), grouped(seen.requests), figures.rate(seen) * 100)
end

local function by_errors(new, old, from)
    if new.errors < ERRORS or figures.rate(new) <= TIMES * figures.rate(old) + ERROR_RATE then
        return nil
    end
    local compared = old.requests > 0 and (", %s on %s"):format(share_of_errors(old), from)
        or (", and %s had none to compare with"):format(from)
    return ("%s of %s requests (%.1f %%) failed"):format(
        grouped(new.errors), grouped(new.requests), figures.rate(new) * 100) .. compared
end

local function by_times(new, old, from)
    if new.requests < REQUESTS or old.requests == 0 then
        return nil
    end
    local slow, usual = figures.percentile(new.within, 0.95), figures.percentile(old.within, 0.95)
    if slow > TIMES * usual and slow > MILLISECONDS then
        return ("95 %% of %s requests were answered within %s ms, within %s ms on %s"):format(
            grouped(new.requests), grouped(slow), grouped(usual), from)
    end
end

local function by_silence(silence, window, old, from)
    local usual = figures.percentile(old.within, 0.95)
    if silence.waiting >= ERRORS and silence.seconds >= math.min(SILENCE, window) and usual <= PATIENT then
        return ("%s requests wait and none was answered for %.0f s"):format(grouped(silence.waiting), silence.seconds)
            .. (old.requests > 0 and (", 95 %% were answered within %s ms on %s"):format(grouped(usual), from) or "")
    end
end

-- The old release's figures, of the two that are known: its last minutes, and all since nginx has started.
function M.measure(recent, all)
    return recent.requests >= ENOUGH and recent or all
end

-- Whether no request came, as far as can be said after `seconds` of a watch of `window`.
local function nobody(mark, visited, seconds, window)
    local before = mark.visited or 0
    return (visited or 0) == before and mark.at - before >= QUIET_BEFORE and seconds >= math.min(QUIET_AFTER, window)
end

-- The verdict `seconds` after the switch, and the reason of a bad one; nil while there is none. `new` are the figures
-- of the new release since the switch, `silence` tells since when it answers nothing (seconds) and how many requests
-- it lets wait, `visited` is the time of the last request to the site.
function M.judge(mark, new, silence, visited, seconds, window)
    local reason = by_errors(new, mark.old, mark.from) or by_silence(silence, window, mark.old, mark.from)
    if not reason and seconds >= math.min(WARM_UP, window) then
        reason = by_times(new, mark.old, mark.from)
    end
    if reason then
        return "worse", reason
    elseif nobody(mark, visited, seconds, window) then
        return "idle"
    elseif seconds >= window then
        return "good"
    end
end

return M
