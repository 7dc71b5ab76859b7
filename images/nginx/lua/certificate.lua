-- The certificate, looked up for each handshake: an installed one is used from the next connection on, without a
-- reload. Key and chain are in one file, so that one rename replaces both at the same moment.
local event = require "monopco.event"
local ssl = require "ngx.ssl"

local BUNDLE = "/var/lib/monopco/tls/bundle.pem"

local M = {}
local text, chain, key

local function load(pem)
    local new_chain, chain_problem = ssl.parse_pem_cert(pem)
    local new_key, key_problem = ssl.parse_pem_priv_key(pem)
    if new_chain and new_key then
        chain, key = new_chain, new_key
    else
        event.tell("the certificate cannot be read; the one before is still used",
            { file = BUNDLE, problem = chain_problem or key_problem })
    end
end

M.present = event.guard(function()
    local file = io.open(BUNDLE)
    if file then
        local pem = file:read("*a")
        file:close()
        if pem ~= text then
            text = pem
            load(pem)
        end
    end
    if chain then
        assert(ssl.clear_certs())
        assert(ssl.set_cert(chain))
        assert(ssl.set_priv_key(key))
    end
end)

return M
