# Applies the scripts of the working directory's `order`, each once, each in one transaction with its record.
# Exit codes: 2 the list is not usable, 3 a script was changed after it was applied, 4 a script failed or is refused.
use v5.36;
use DBI;
use Digest::SHA qw(sha256_hex);
use Encode ();
use JSON::PP ();
use Time::HiRes qw(time);
use Statements qw(statements);

use constant SHOWN_LINES => 20;
# The same number in every version: "monopco" in ASCII.
use constant LOCK => unpack 'Q>', "\0monopco";

my %WHY = (
    '25001' => 'each script runs in one transaction; what cannot run inside one is done by hand',
    '55P03' => 'other sessions kept a lock for too long, so the script gave way to them; run it again',
);

STDOUT->autoflush(1);
$ENV{PGAPPNAME} //= 'monopco migrate';
my @scripts = map { read_script($_) } read_order();
refuse_unusable($_) for @scripts;
my $database = DBI->connect('dbi:Pg:', '', '',
    { RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_server_prepare => 0, pg_enable_utf8 => 0 });
my %records = eval { %{ transaction(\&read_records) } };
stop(4, 'monopco.migrations, the record: ' . problem()) if $@;
refuse_changed(@scripts);
say join ' ', migrate($_) for @scripts;
report();

sub stop ($status, @lines) {
    say STDERR join "\n", "migrate: $lines[0]", @lines[ 1 .. $#lines ];
    exit $status;
}

sub slurp ($path) {
    open my $file, '<:raw', $path or stop(2, "the archive has no readable file $path");
    local $/ = undef;
    return <$file> // '';
}

sub read_order () {
    my %seen;
    my @names = split /\r?\n/, slurp('order');
    for my $name (@names) {
        my $below = $name =~ m{\A[^/]} && $name !~ m{(?:\A|/)\.\.(?:/|\z)};
        stop(2, "\"$name\" in order is not a path below scripts/") if !$below;
        stop(2, "\"$name\" stands twice in order") if $seen{$name}++;
    }
    return @names;
}

# Refuses text that PostgreSQL would read differently from what a person sees.
sub read_script ($name) {
    my $bytes = slurp("scripts/$name");
    my $text = $bytes =~ s/\A\xef\xbb\xbf//r;
    my $rest = $text;
    Encode::decode('UTF-8', $rest, Encode::FB_QUIET);
    my $zero = index $text, "\0";
    my $valid = $zero >= 0 && $zero < length($text) - length $rest ? $zero : length($text) - length $rest;
    if ($valid < length $text) {
        my $line = 1 + (substr($text, 0, $valid) =~ tr/\n//);
        stop(4, "$name, line $line: not UTF-8 text; save the script as UTF-8. Nothing was applied");
    }
    return { name => $name, checksum => sha256_hex($bytes), statements => [ statements($text) ] };
}

sub refuse_unusable ($script) {
    for my $statement (@{ $script->{statements} }) {
        my ($where, $why) = unusable($statement->{bare}) or next;
        my $line = $statement->{line} + (substr($statement->{bare}, 0, $where) =~ tr/\n//);
        stop(4, "$script->{name}, line $line: $why. Nothing was applied", excerpt($statement, $line));
    }
    return;
}

sub unusable ($bare) {
    return ($-[0], q{psql's backslash commands are not SQL and can read files; write SQL instead}) if $bare =~ /\\/;
    return (0, 'the script runs in one transaction of our own; remove BEGIN, COMMIT and ROLLBACK')
        if $bare =~ /\A(?:begin|start\s+transaction|commit|end|abort|prepare\s+transaction)\b/i
        || $bare =~ /\Arollback\b(?!\s+(?:(?:work|transaction)\s+)?to\b)/i;
    return (0, 'COPY from STDIN or to STDOUT needs psql; write INSERT instead')
        if $bare =~ /\Acopy\b.*\b(?:from\s+stdin|to\s+stdout)\b/is;
    return;
}

# The lock lives as long as the transaction, which also holds behind a pooler that shares sessions.
sub transaction ($work) {
    $database->begin_work;
    $database->do('SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0');
    $database->do('SET LOCAL client_min_messages = warning');
    if (!$database->selectrow_array('SELECT pg_try_advisory_xact_lock(?)', undef, LOCK)) {
        say STDERR 'migrate: waiting for ' . (holder() // 'another migrate');
        $database->do('SELECT pg_advisory_xact_lock(?)', undef, LOCK);
    }
    my $result = $work->();
    $database->commit;
    return $result;
}

# What PostgreSQL does not show to this role is left out.
sub holder () {
    return $database->selectrow_array(<<~'END', undef, LOCK, LOCK);
        SELECT concat(coalesce(nullif(application_name, ''), 'a session'), ' of ' || usename,
            ' from ' || host(client_addr), ', process ', pid, ', since ' || to_char(xact_start, 'HH24:MI:SS TZ'))
        FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND classid = (?::bigint >> 32)::oid AND objid = (?::bigint & 4294967295)::oid
        END
}

sub read_records () {
    if (!defined $database->selectrow_array(q{SELECT to_regclass('monopco.migrations')})) {
        $database->do('CREATE SCHEMA IF NOT EXISTS monopco');
        $database->do('CREATE TABLE monopco.migrations (name text PRIMARY KEY, checksum text NOT NULL, '
                . 'applied_at timestamptz NOT NULL, duration_ms int NOT NULL)');
    }
    return $database->selectall_hashref(
        q{SELECT name, checksum, to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC') AS applied
          FROM monopco.migrations}, 'name');
}

sub refuse_changed (@given) {
    my @lines;
    for my $script (@given) {
        my $record = $records{ $script->{name} } // next;
        my ($old, $new) = map { substr $_->{checksum}, 0, 12 } $record, $script;
        next if $record->{checksum} eq $script->{checksum};
        push @lines, "$script->{name} was changed after it was applied on $record->{applied} (checksum $old, now $new)";
    }
    return if !@lines;
    stop(3, @lines, 'Nothing was applied. Put the old text back, and write what is to change as a new script.');
}

# Returns the words of the line that says what was done.
sub migrate ($script) {
    return ('kept', $script->{name}) if $records{ $script->{name} };
    my $duration = eval { transaction(sub { apply($script) }) };
    stop(4, "$script->{name}, at its end: " . problem(), 'Nothing of this script was kept.') if $@;
    $database->do('DISCARD ALL');
    refuse_changed($script);
    return defined $duration ? ('applied', $script->{name}, $duration, 'ms') : ('kept', $script->{name});
}

# Runs inside the transaction. Returns milliseconds, or nothing if somebody else was quicker.
sub apply ($script) {
    my $start = time;
    %records = %{ read_records() };
    return if $records{ $script->{name} };
    $database->do(q{SET LOCAL lock_timeout = '10s'});
    local $SIG{__WARN__} = sub ($message) { print STDERR "$script->{name}: $message" };
    for my $statement (@{ $script->{statements} }) {
        eval { $database->do($statement->{text}, { pg_direct => 1 }) } or failed($script, $statement);
    }
    stop(4, "$script->{name} ended our transaction, so what it did up to there is kept without a record")
        if $database->ping != 3;
    $database->do('RESET SESSION AUTHORIZATION; RESET ROLE');
    my $duration = int(1000 * (time - $start) + 0.5);
    $database->do('INSERT INTO monopco.migrations VALUES (?, ?, clock_timestamp(), ?)',
        undef, $script->{name}, $script->{checksum}, $duration);
    return $duration;
}

sub failed ($script, $statement) {
    my $line = $statement->{line};
    if (my $position = $database->pg_error_field('statement_position')) {
        $line += substr(Encode::decode('UTF-8', $statement->{text}), 0, $position - 1) =~ tr/\n//;
    }
    my @shown = excerpt($statement, $line);
    stop(4, "$script->{name}, line $line: " . problem(), @shown, 'Nothing of this script was kept.');
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

# The statement's lines, numbered as in the script, as far as they fit around the line that is wrong.
sub excerpt ($statement, $line) {
    my @lines = split /\r?\n/, $statement->{text};
    my $first = $line - $statement->{line} - SHOWN_LINES / 2;
    $first = $first > @lines - SHOWN_LINES ? @lines - SHOWN_LINES : $first;
    $first = 0 if $first < 0;
    my $last = $first + SHOWN_LINES - 1 > $#lines ? $#lines : $first + SHOWN_LINES - 1;
    my @shown;
    for my $number (map { $statement->{line} + $_ } $first .. $last) {
        my $mark = $number == $line ? '>' : ' ';
        push @shown, sprintf '%s %4d  %s', $mark, $number, $lines[ $number - $statement->{line} ];
    }
    my $hidden = @lines - @shown;
    return (@shown, $hidden ? "        ($hidden more lines)" : ());
}

# The last line is for programs: how many scripts the schema has seen, and which one last.
sub report () {
    my %wanted = map { $_->{name} => 1 } @scripts;
    my @names = @{ $database->selectcol_arrayref('SELECT name FROM monopco.migrations ORDER BY applied_at, name') };
    say "gone $_" for grep { !$wanted{$_} } @names;
    say JSON::PP->new->canonical->encode({ level => scalar @names, last => $names[-1] });
    return;
}
