# The server that the app uses, as the backups meet it.
package Live;
use v5.36;
use POSIX qw(strftime);
use Tables qw(connected LIVE_SOCKET DATABASE);

use constant ARCHIVE_SECONDS => 90;
use constant DATA => '/var/lib/postgresql/17/main';

# Sends all that is committed by now to the repositories. Returns the server's time then: a recovery can stop at any
# moment before it, because a transaction of our own follows.
sub flush () {
    my $server = connected(LIVE_SOCKET);
    my $now = $server->selectrow_array('SELECT extract(epoch FROM clock_timestamp())');
    $server->do('SELECT pg_current_xact_id()');
    my ($segment) = $server->selectrow_array('SELECT pg_walfile_name(pg_switch_wal())');
    for (1 .. ARCHIVE_SECONDS * 5) {
        my ($done) = $server->selectrow_array('SELECT last_archived_wal >= ? FROM pg_stat_archiver', undef, $segment);
        return $now if $done;
        select undef, undef, undef, 0.2;
    }
    return;
}

sub exists_database ($name) {
    return scalar connected(LIVE_SOCKET)->selectrow_array('SELECT count(*) FROM pg_database WHERE datname = ?', undef, $name);
}

sub size ($name) {
    return scalar connected(LIVE_SOCKET)->selectrow_array('SELECT pg_database_size(oid) FROM pg_database WHERE datname = ?', undef, $name);
}

# Tells this database from every other one.
sub identifier () {
    return scalar connected(LIVE_SOCKET)->selectrow_array('SELECT system_identifier FROM pg_control_system()');
}

# What PostgreSQL tells of archiving.
sub archiver () {
    return connected(LIVE_SOCKET)->selectrow_hashref(<<~'END');
        SELECT archived_count, failed_count, extract(epoch FROM last_archived_time) AS archived,
            extract(epoch FROM last_failed_time) AS failed FROM pg_stat_archiver
        END
}

# Segments of the log of changes that wait for the repositories, and seconds since the first of them is complete.
sub waiting () {
    my $folder = DATA . '/pg_wal/archive_status';
    opendir my $handle, $folder or return (0, 0);
    my @times = sort { $a <=> $b } grep { defined } map { (stat "$folder/$_")[9] } grep { /\.ready\z/ } readdir $handle;
    return (scalar @times, @times ? time - $times[0] : 0);
}

# Puts the database `$name` in the place of the live one, which is kept under the name that is returned.
sub swap ($name) {
    my $server = connected(LIVE_SOCKET);
    my $kept = DATABASE . '_before_' . strftime('%Y%m%d_%H%M%S', gmtime);
    my ($live, $new, $old) = map { $server->quote_identifier($_) } DATABASE, $name, $kept;
    $server->do('SELECT pg_create_restore_point(?)', undef, $kept);
    my $done = eval {
        $server->do("ALTER DATABASE $_ ALLOW_CONNECTIONS false") for $live, $new;
        $server->do('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname IN (?, ?)', undef, DATABASE, $name);
        $server->begin_work;
        $server->do("ALTER DATABASE $live RENAME TO $old");
        $server->do("ALTER DATABASE $new RENAME TO $live");
        $server->commit;
        1;
    };
    my $why = $@;
    $server->rollback if !$server->{AutoCommit};
    for my $each (DATABASE, $done ? $kept : $name) {
        $server->do('ALTER DATABASE ' . $server->quote_identifier($each) . ' ALLOW_CONNECTIONS true');
    }
    die $why if !$done;
    return $kept;
}

1;
