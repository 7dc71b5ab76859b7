-- Figures of a release: how many requests it has answered, how many of them with an error, and how long they took, in
-- classes. They are plain tables of numbers under names, so that they can be kept as JSON.

-- Upper limits in milliseconds of the classes in which times to the first byte are counted.
local LIMITS = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000 }
-- What took longer than that: nginx gives up on an app after its proxy_read_timeout of 60 s.
local LONGER, LONGEST = "more", 60000

local M = { classes = {} }

for number, limit in ipairs(LIMITS) do
    M.classes[number] = tostring(limit)
end
M.classes[#LIMITS + 1] = LONGER

function M.none()
    return { requests = 0, errors = 0, within = {} }
end

function M.class_of(milliseconds)
    for number, limit in ipairs(LIMITS) do
        if milliseconds <= limit then
            return M.classes[number]
        end
    end
    return LONGER
end

-- What came on top of `before`.
function M.since(before, now)
    local more = { requests = now.requests - before.requests, errors = now.errors - before.errors, within = {} }
    for class, count in pairs(now.within) do
        more.within[class] = count - (before.within[class] or 0)
    end
    return more
end

-- The upper limit in milliseconds of the class that this share of the requests stayed within; 0 when there are none.
function M.percentile(within, share)
    local all, reached = 0, 0
    for _, count in pairs(within) do
        all = all + count
    end
    for number, class in ipairs(M.classes) do
        reached = reached + (within[class] or 0)
        if all > 0 and reached >= all * share then
            return LIMITS[number] or LONGEST
        end
    end
    return 0
end

-- Errors per request.
function M.rate(figures)
    return figures.requests > 0 and figures.errors / figures.requests or 0
end

-- What a report says of them.
function M.summary(figures)
    return {
        requests = figures.requests, errors = figures.errors, p95_ms = M.percentile(figures.within, 0.95),
    }
end

return M
