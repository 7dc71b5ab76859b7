-- The worker processes of nginx: which configuration each one runs, and which are about to leave after a reload.
local CONFIGURATION = "/run/monopco/nginx.conf"
local shared = ngx.shared.monopco_live

local M = {}
local configuration = "" -- MD5 of the file that the master has loaded for the workers which it starts
local pid

function M.begin_master()
    local file = io.open(CONFIGURATION)
    if file then
        configuration = ngx.md5(file:read("*a"))
        file:close()
    end
end

function M.begin_worker()
    pid = ngx.worker.pid()
    shared:set("worker|" .. pid, configuration)
end

function M.pid()
    return pid
end

-- The title that nginx gives to a process; nil when there is no such worker. One that is beginning still bears the
-- title of the master that it was made from.
local function title(number)
    local file = io.open("/proc/" .. number .. "/cmdline")
    if not file then
        return nil
    end
    local text = file:read("*a")
    file:close()
    return text:match("^nginx: worker process[%w ]*") or text:match("^nginx: master process")
end

function M.alive(number)
    return title(number) ~= nil
end

-- Whether every worker that takes connections runs the configuration with this MD5.
function M.all_run(wanted)
    local running = 0
    for _, key in ipairs(shared:get_keys(0)) do
        local number = key:match("^worker|(%d+)$")
        local name = number and title(number)
        if number and not name then
            shared:delete(key)
        elseif number and not name:find("shutting down", 1, true) then
            if shared:get(key) ~= wanted then
                return false
            end
            running = running + 1
        end
    end
    return running > 0
end

-- Before a reload: every answer ends its connection, so that none is idle when the old workers close those. It is
-- forgotten after `seconds` in case that whoever set it did not come back.
function M.set_closing(seconds)
    if seconds > 0 then
        shared:set("closing", true, seconds)
    else
        shared:delete("closing")
    end
end

function M.closing()
    return ngx.worker.exiting() or shared:get("closing") ~= nil
end

return M
