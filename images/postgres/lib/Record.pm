# The connection, the lock that lets one run at a time in, and the table that says which scripts were applied.
package Record;
use v5.36;
use DBI;
use Exporter 'import';
use Stop qw(stop);
our @EXPORT_OK = qw(connected transaction keep_record read_records problem);

# The same number in every version: "monopco" in ASCII.
use constant LOCK => unpack 'Q>', "\0monopco";
# Says to bin/migrate that it should find out why.
use constant NOT_CONNECTED => 9;

my %WHY = (
    '25001' => 'each script runs in one transaction; what cannot run inside one is done by hand',
    '55P03' => 'other sessions kept a lock for too long, so the script gave way to them; run it again',
);
my $database;

sub connected () {
    $ENV{PGAPPNAME} //= 'monopco migrate';
    $database = DBI->connect('dbi:Pg:', '', '',
        { RaiseError => 0, PrintError => 0, AutoCommit => 1, pg_server_prepare => 0, pg_enable_utf8 => 0 })
        or exit NOT_CONNECTED;
    $database->{RaiseError} = 1;
    return $database;
}

# The lock lives as long as the transaction, which also holds behind a pooler that shares sessions.
sub transaction ($work) {
    $database->begin_work;
    $database->do(q{SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN
        ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')});
    $database->do('SET LOCAL client_min_messages = warning');
    if (!$database->selectrow_array('SELECT pg_try_advisory_xact_lock(?)', undef, LOCK)) {
        say STDERR 'migrate: waiting for ' . (_holder() // 'another migrate');
        $database->do('SELECT pg_advisory_xact_lock(?)', undef, LOCK);
    }
    my $result = $work->();
    $database->commit;
    return $result;
}

# What PostgreSQL does not show to this role is left out.
sub _holder () {
    return $database->selectrow_array(<<~'END', undef, LOCK, LOCK);
        SELECT concat(coalesce(nullif(application_name, ''), 'a session'), ' of ' || usename,
            ' from ' || host(client_addr), ', process ', pid, ', since ' || to_char(xact_start, 'HH24:MI:SS TZ'))
        FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND classid = (?::bigint >> 32)::oid AND objid = (?::bigint & 4294967295)::oid
        END
}

# Makes what is missing of the table. ALTER TABLE would wait for its readers even if there is nothing to alter.
sub keep_record () {
    if (!_has_record()) {
        $database->do('CREATE SCHEMA IF NOT EXISTS monopco');
        $database->do('CREATE TABLE monopco.migrations (name text PRIMARY KEY, checksum text NOT NULL, '
                . 'applied_at timestamptz NOT NULL, duration_ms int NOT NULL)');
    }
    my $known = $database->selectrow_array(q{SELECT true FROM pg_attribute WHERE attname = 'backward_compatible'
        AND attrelid = 'monopco.migrations'::regclass});
    $database->do('ALTER TABLE monopco.migrations '
            . 'ADD COLUMN IF NOT EXISTS backward_compatible boolean NOT NULL DEFAULT false') if !$known;
    return;
}

sub _has_record () {
    return defined $database->selectrow_array(q{SELECT to_regclass('monopco.migrations')});
}

# By name; none if there is no table. A table of an older version has not all of the columns.
sub read_records () {
    return {} if !_has_record();
    return $database->selectall_hashref(<<~'END', 'name');
        SELECT name, checksum, to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC') AS applied,
            rank() OVER (ORDER BY applied_at, name) AS place,
            coalesce((to_jsonb(migrations) ->> 'backward_compatible')::boolean, false) AS backward_compatible
        FROM monopco.migrations
        END
}

# PostgreSQL's own words, and ours where they help.
sub problem () {
    my $code = $database->state;
    my $message = $database->pg_error_field('message_primary')
        // $@ =~ s/\ADBD::Pg::db \w+ failed: (.*) at \S+ line \d+\.\n\z/$1/sr;
    my @lines = "$message ($code)";
    for my $field (qw(message_detail message_hint context)) {
        my $text = $database->pg_error_field("$field") // next;
        push @lines, '  ' . uc($field =~ s/message_//r) . ': ' . $text =~ s/\n/\n    /gr;
    }
    push @lines, "  $WHY{$code}" if $WHY{$code};
    return join "\n", @lines;
}

1;
