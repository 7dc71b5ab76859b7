-- The accounts in Prometheus' text format. They are kept anyway, for the watch after a switch; here they are only
-- written out, when they are asked for. Figures of releases and of connections, nothing of a visitor's.
local absence = require "monopco.absence"
local figures = require "monopco.figures"
local ledger = require "monopco.ledger"
local live = require "monopco.live"

local M = {}

-- Names of releases and addresses are checked where they come in: nothing in them needs quoting.
local function sample(lines, name, labels, value)
    lines[#lines + 1] = name .. (labels and "{" .. labels .. "} " or " ") .. string.format("%.14g", value)
end

local function metric(lines, name, kind)
    lines[#lines + 1] = "# TYPE " .. name .. " " .. kind
end

local function of_releases(lines, releases)
    for name, key in pairs({
        monopco_requests_total = "total", monopco_request_errors_total = "errors_5xx",
        monopco_requests_left_total = "left_by_client", monopco_request_retries_total = "retries",
    }) do
        metric(lines, name, "counter")
        for release, totals in pairs(releases) do
            sample(lines, name, 'release="' .. release .. '"', totals[key])
        end
    end
end

-- Times to the first byte of the answer.
local function of_times(lines, releases)
    local name = "monopco_request_seconds"
    metric(lines, name, "histogram")
    for release, totals in pairs(releases) do
        local label, reached = 'release="' .. release .. '"', 0
        for _, class in ipairs(figures.classes) do
            reached = reached + (totals.within[class] or 0)
            local limit = tonumber(class)
            sample(lines, name .. "_bucket", label .. ',le="' .. (limit and limit / 1000 or "+Inf") .. '"', reached)
        end
        sample(lines, name .. "_sum", label, totals.milliseconds / 1000)
        sample(lines, name .. "_count", label, reached)
    end
end

-- A line for each container that gets requests, with what `value` gives for its address.
local function of_peers(lines, now, name, value)
    metric(lines, name, "gauge")
    for _, address in ipairs(now.peers) do
        sample(lines, name, 'release="' .. now.release .. '",address="' .. address .. '"', value(address))
    end
end

function M.text()
    local lines, now = {}, live.current()
    local releases, in_flight = ledger.report(now.release), ledger.in_flight()
    of_releases(lines, releases)
    of_times(lines, releases)
    of_peers(lines, now, "monopco_peer_down", function(address)
        return absence.is_absent(address) and 1 or 0
    end)
    of_peers(lines, now, "monopco_requests_in_flight", function(address)
        return in_flight[address] or 0
    end)
    metric(lines, "monopco_requests_unanswered_total", "counter")
    sample(lines, "monopco_requests_unanswered_total", nil, ledger.unanswered())
    metric(lines, "monopco_release_live", "gauge")
    if now.release ~= "" then
        sample(lines, "monopco_release_live", 'release="' .. now.release .. '"', 1)
    end
    metric(lines, "monopco_maintenance", "gauge")
    sample(lines, "monopco_maintenance", nil, now.maintenance and 1 or 0)
    metric(lines, "monopco_connections", "gauge")
    sample(lines, "monopco_connections", 'state="active"', tonumber(ngx.var.connections_active))
    sample(lines, "monopco_connections", 'state="waiting"', tonumber(ngx.var.connections_waiting))
    return table.concat(lines, "\n") .. "\n"
end

function M.serve()
    ngx.header["Content-Type"] = "text/plain; version=0.0.4"
    ngx.print(M.text())
end

return M
