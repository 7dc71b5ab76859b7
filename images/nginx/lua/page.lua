-- Answers that nginx gives in the app's place: JSON for the API, a small page in French and English for people.
local cjson = require "cjson.safe"
local ledger = require "monopco.ledger"

local TEXTS = {
    [413] = {
        fr = { "Fichier trop volumineux", "La limite de ce site est de %s." },
        en = { "Upload too large", "The limit of this site is %s." },
    },
    [421] = {
        fr = { "Site inconnu", "Ce serveur ne sert pas le nom demandé." },
        en = { "Unknown site", "This server does not serve the name that was asked for." },
    },
    [429] = {
        fr = { "Trop de requêtes", "Veuillez patienter quelques secondes." },
        en = { "Too many requests", "Please wait some seconds." },
        retry_after = 1,
    },
    [500] = {
        fr = { "Erreur interne", "La requête n’a pas pu être traitée." },
        en = { "Internal error", "The request could not be processed." },
    },
    [503] = {
        fr = { "Maintenance en cours", "Le site revient dans quelques instants." },
        en = { "Down for maintenance", "The site will be back in a moment." },
        retry_after = 5,
    },
    [504] = {
        fr = { "Délai dépassé", "L’application n’a pas répondu à temps." },
        en = { "Timed out", "The application did not answer in time." },
    },
}

local PAGE = [[
<!doctype html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{refresh}<title>{title}</title>
<style>
body { font: 1.1rem/1.6 system-ui, sans-serif; color: #1f2937; background: #f9fafb; margin: 0;
       min-height: 100vh; display: grid; place-content: center; text-align: center; padding: 1rem; }
h1 { font-size: 1.6rem; margin: 0 } p { margin: .4rem 0 } small, [lang=en] { color: #6b7280 }
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
<p lang="en"><strong>{title_en}.</strong> {text_en}</p>
<p><small>{status} · {id}</small></p>
</main>
</body>
</html>
]]

local M = {}

local function wants_json()
    return ngx.var.uri:find("^/api/") or (ngx.var.http_accept or ""):find("application/json", 1, true)
end

local function as_json(status, words)
    local message = words.en[1] .. ". " .. words.en[2]:format(ngx.var.body_limit or "")
    return cjson.encode({ error = { status = status, message = message, request_id = ngx.var.request_id } }) .. "\n"
end

local function as_page(status, words)
    local limit = ngx.var.body_limit or ""
    local values = {
        refresh = status == 503 and ngx.req.get_method() == "GET" and '<meta http-equiv="refresh" content="5">\n' or "",
        title = words.fr[1], text = words.fr[2]:format(limit), title_en = words.en[1], text_en = words.en[2]:format(limit),
        status = tostring(status), id = ngx.var.request_id,
    }
    return (PAGE:gsub("{([%a_]+)}", values))
end

-- 504 also stands for an app that could not be reached at all; that is the maintenance page's case.
local function status_to_tell()
    if ngx.status == 504 and (ngx.var.upstream_bytes_sent or ""):match("%d+$") == "0" then
        ngx.status = 503
    end
    return ngx.status
end

function M.serve()
    local status = status_to_tell()
    local words = TEXTS[status] or TEXTS[500]
    local json = wants_json()
    ledger.take_over(ngx.var.request_id)
    ngx.header["Content-Type"] = json and "application/json" or "text/html; charset=utf-8"
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["Retry-After"] = words.retry_after
    ngx.print(json and as_json(status, words) or as_page(status, words))
end

return M
