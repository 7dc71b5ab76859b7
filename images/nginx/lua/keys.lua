-- Keys of shared memory that are used for each request: made once, and found by what they count.
local M = {}

-- What `make` gives for `first` and `second`, out of `known` when it was made before.
function M.once(known, first, second, make)
    local below = known[first]
    if not below then
        below = {}
        known[first] = below
    end
    local key = below[second]
    if not key then
        key = make(first, second)
        below[second] = key
    end
    return key
end

return M
