# Backups of a database that is somebody else's: dumps by pg_dump, which restic keeps in the places, encrypted. A backup
# is a folder with the dump, and with what is needed to restore it where nothing of that server is.
package Dumps;
use v5.36;
use Copies ();
use Elsewhere qw(elsewhere server);
use Fcntl qw(:flock);
use File::Path qw(remove_tree);
use List::Util qw(sum0);
use Process qw(attempt run);
use Repository qw(places place_name stack explained when);
use Say qw(json progress refuse);
use Scratch ();
use Tables qw(connected counts counted missing_rows DATABASE);

use constant { DUMPING => '/scratch/dumping', FETCHED => '/scratch/fetched', TAG => 'database' };
use constant { LIST_SECONDS => 15, TIMED_OUT => 124, NO_REPOSITORY => 10, BUSY => 3 };
use constant AT_BACKUP => 0.02;
# What restoring elsewhere may lack, because it is the provider's: never a table or its rows.
my $THEIRS = qr/(?:schema|role|extension|function|type|publication|relation|operator class) .*does not exist|is not available|permission denied|must be owner|can only be/i;
# Whose names are the provider's; of them the users are worth keeping, when they may be read.
my $OWN_SCHEMAS = <<~'END';
    SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND (pg_has_role(nspowner, 'USAGE')
        OR nspname = 'auth' AND has_schema_privilege(oid, 'USAGE') AND NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid
            AND (relkind IN ('r', 'p') AND NOT has_table_privilege(pg_class.oid, 'SELECT')
                OR relkind = 'S' AND NOT has_sequence_privilege(pg_class.oid, 'SELECT'))))
    ORDER BY 1
    END

sub establish () {
    for my $number (places()) {
        my @restic = _restic($number);
        my ($status) = attempt([ @restic, 'cat', 'config' ]);
        next if !$status;
        my ($made, @lines) = $status == NO_REPOSITORY ? attempt([ @restic, 'init' ]) : attempt([ @restic, 'cat', 'config' ]);
        die explained($number, @lines) . "  backups cannot be made until this is mended\n" if $made;
    }
    return;
}

# One dump, kept in each of these places. Returns what was made, and what went wrong.
sub take (@numbers) {
    open my $lock, '>>', '/scratch/taking' or die "cannot write to /scratch: $!\n";
    flock $lock, LOCK_EX | LOCK_NB or refuse(BUSY, 'another backup is under way; wait until it has ended');
    my $done = eval { _dump(); 1 };
    my (@made, @errors);
    push @errors, $@ =~ s/\s+\z//r if !$done;
    for my $number ($done ? @numbers : ()) {
        my $place = place_name($number);
        progress("keeping the dump in the $place place");
        my @restic = _restic($number);
        my ($status, @lines) = attempt([ @restic, 'backup', '--json', '--host=' . stack(), '--tag=' . TAG, DUMPING ]);
        my ($id) = map { /"snapshot_id":"([0-9a-f]{8})/ ? $1 : () } @lines;
        if ($status || !defined $id) {
            push @errors, explained($number, grep { !/\A\{"message_type":"(?:status|summary)/ } @lines) =~ s/\s+\z//r;
            next;
        }
        push @made, { id => $id, place => $place };
        my ($kept, @said) = attempt([ @restic, 'forget', '--quiet', '--host=' . stack(), '--tag=' . TAG, '--group-by=host,tags',
                '--keep-within=' . Repository::settings()->{keep_days} . 'd', '--prune' ]);
        push @errors, explained($number, 'ERROR: old dumps were not removed', @said) =~ s/\s+\z//r if $kept;
    }
    remove_tree(DUMPING);
    return (\@made, \@errors);
}

sub _dump () {
    remove_tree(DUMPING);
    my $server = server();
    my ($size) = $server->selectrow_array('SELECT pg_database_size(current_database())');
    Scratch::need_space('/scratch', $size, 'the dump');
    my @schemas = @{ $server->selectcol_arrayref($OWN_SCHEMAS) };
    my $before = counted($server, \@schemas);
    my %about = (
        stack => stack(), bytes => 0 + $size, schemas => \@schemas, before => $before,
        roles => $server->selectcol_arrayref(q{SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1}),
        extensions => $server->selectall_arrayref(q{SELECT extname, nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
            WHERE nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1}),
    );
    mkdir DUMPING, 0700 or die 'cannot make ' . DUMPING . ": $!\n";
    progress('dumping the database');
    # restic compresses, and finds what has not changed only in what is not compressed.
    my $dump = DUMPING . '/database.dump';
    elsewhere(sub { run('pg_dump', '--no-password', '--format=custom', '--compress=none', '--lock-wait-timeout=60s', "--file=$dump",
            map { '--schema="' . s/"/""/gr . '"' } @schemas) });
    my @tables = grep { / TABLE DATA / } run('pg_restore', '--list', $dump);
    die "the dump holds no table, and the database has some\n" if %$before && !@tables;
    $about{after} = counted($server, \@schemas);
    open my $file, '>', DUMPING . '/about.json' or die "cannot write to /scratch: $!\n";
    print({$file} json->encode(\%about)) && close $file or die "cannot write to /scratch: $!\n";
    return;
}

# The answers of Repository's backups, which see.
sub backups () {
    my (@found, %wrong);
    for my $number (places()) {
        my ($status, @lines) = attempt([ 'timeout', LIST_SECONDS, _restic($number), '--no-lock', 'snapshots', '--json', '--tag=' . TAG ]);
        @lines = 'ended after ' . LIST_SECONDS . ' s without an answer' if $status == TIMED_OUT;
        my ($text) = grep { /\A(?:\[|null)/ } @lines;
        if ($status || !defined $text) {
            $wrong{ place_name($number) } = explained($number, @lines);
            next;
        }
        push @found, map { _backup($number, $_) } @{ JSON::PP->new->utf8->allow_nonref->decode($text) // [] };
    }
    @found = sort { $b->{stopped} <=> $a->{stopped} || $a->{place} cmp $b->{place} } @found;
    return (\@found, \%wrong, {});
}

sub _backup ($number, $snapshot) {
    my $summary = $snapshot->{summary};
    my ($started, $stopped) = map { _epoch($summary->{$_} // $snapshot->{time}) } qw(backup_start backup_end);
    return { id => $snapshot->{short_id}, place => place_name($number), kind => 'dump', started => $started, stopped => $stopped, at => when($stopped),
        seconds => $stopped - $started, database_bytes => $summary->{total_bytes_processed}, stored_bytes => $summary->{data_added_packed},
        stack => $snapshot->{hostname}, faulty => 0 };
}

# restic writes a moment with its fraction and its offset.
sub _epoch ($text) {
    my ($moment, $sign, $hours, $minutes) = $text =~ /\A([-\dT:]{19})(?:\.\d+)?(?:Z|([-+])(\d\d):(\d\d))\z/ or die "\"$text\" is no moment\n";
    my $offset = ($hours // 0) * 3600 + ($minutes // 0) * 60;
    return Repository::epoch("${moment}Z") - (($sign // '') eq '-' ? -$offset : $offset);
}

# A dump in a database of the scratch server. Returns what is known of it, and what of the provider's it had to do without.
sub on_scratch ($backup) {
    my $number = Repository::place_number($backup->{place});
    remove_tree(FETCHED);
    progress('fetching the dump');
    my ($status, @lines) = attempt([ _restic($number), 'restore', '--quiet', "$backup->{id}:" . DUMPING, '--target=' . FETCHED ]);
    die explained($number, @lines) if $status;
    my $about = _read(FETCHED . '/about.json');
    Scratch::fresh();
    my $server = connected(Scratch::SOCKET);
    $server->do('CREATE DATABASE ' . DATABASE . ' TEMPLATE template0');
    for my $role (@{ $about->{roles} }) {
        next if $server->selectrow_array('SELECT count(*) FROM pg_roles WHERE rolname = ?', undef, $role);
        $server->do('CREATE ROLE ' . $server->quote_identifier($role));
    }
    $server->disconnect;
    my @lacking = _extend($about->{extensions});
    progress('restoring the dump');
    my (undef, @said) = attempt([ 'pg_restore', '--host=' . Scratch::SOCKET, '--username=postgres', '--dbname=' . DATABASE, FETCHED . '/database.dump' ]);
    my @errors = map { /\Apg_restore: error: (.*)/ ? $1 =~ s/\Acould not execute query: ERROR:\s+//r : () } @said;
    # A dump of the schema public says so, and every database has it.
    @errors = grep { !/\Aschema ".*" already exists/ } @errors;
    my @wrong = grep { $_ !~ $THEIRS } @errors;
    push @lacking, grep { $_ =~ $THEIRS } @errors;
    remove_tree(FETCHED);
    return ($about, \@lacking, \@wrong);
}

sub _extend ($extensions) {
    my $server = connected(Scratch::SOCKET, DATABASE);
    my @lacking;
    for my $each (@$extensions) {
        my ($name, $schema) = map { $server->quote_identifier($_) } @$each;
        next if eval { $server->do("CREATE SCHEMA IF NOT EXISTS $schema; CREATE EXTENSION IF NOT EXISTS $name SCHEMA $schema"); 1 };
        push @lacking, "extension $each->[0] is not available";
    }
    $server->disconnect;
    return @lacking;
}

# Restores the newest dump of a place, and puts what it sees into the record.
sub look ($number, $record, $backup) {
    Scratch::need_space('/scratch', 2 * $backup->{database_bytes}, 'the backup');
    my ($about, $lacking, $wrong) = on_scratch($backup);
    progress('counting rows');
    my $rows = counts(Scratch::SOCKET);
    my %kept = map { exists $about->{before}{$_} ? ($_ => $rows->{$_}) : () } keys %$rows;
    @$record{qw(tables rows lacking)} = (scalar keys %kept, sum0(values %kept), $lacking);
    push @{ $record->{problems} }, @$wrong, missing_rows($rows, $about->{before}, $about->{after}, AT_BACKUP);
    progress('checking tables and indexes');
    my ($status, @said) = attempt([ 'pg_amcheck', '--host=' . Scratch::SOCKET, '--username=postgres', '--all', '--install-missing', '--heapallindexed', '--rootdescend' ]);
    push @{ $record->{problems} }, map { "pg_amcheck: $_" } @said ? @said : 'failed' if $status;
    progress('reading the whole repository');
    my ($verified, @lines) = attempt([ _restic($number), 'check', '--read-data', '--quiet' ]);
    push @{ $record->{problems} }, 'the repository: ' . explained($number, @lines) =~ s/\s+\z//r if $verified;
    return;
}

sub _restic ($number) { return Copies::restic(Repository::settings()->{dumps}{$number}) }

sub _read ($path) {
    open my $file, '<', $path or die "the backup has no about.json\n";
    local $/;
    return json->decode(<$file>);
}

1;
