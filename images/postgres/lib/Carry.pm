# A restored database beside the live one: from a backup or a moment, by way of the scratch server.
package Carry;
use v5.36;
use Dumps ();
use Live ();
use POSIX qw(strftime);
use Process qw(piped);
use Repository qw(backups dumps find_backup place_number stack when);
use Rules ();
use Say qw(progress note refuse);
use Scratch ();
use Tables qw(connected counts LIVE_SOCKET DATABASE);

use constant REFUSED => 4;

# Options: into, and of to (epoch), backup, from, scratch (a server that is new) those that were given.
# Returns what was done, with rows of both databases.
sub carry (%wanted) {
    my $into = $wanted{into} // 'monopco_restored_' . strftime('%Y%m%d_%H%M%S', gmtime);
    refuse(2, "$into is not a name for a database: small letters, digits and _, at most 63") if $into !~ /\A[a-z_][a-z0-9_]{0,62}\z/;
    refuse(REFUSED, "there is a database $into already, and a restore never writes into one",
        'Give another name with --into, or none; --live puts the restored database in the place of the live one.') if Live::exists_database($into);
    my $backup = _wanted(%wanted);
    _need_space($backup->{database_bytes});
    my $reached = _on_scratch($backup, %wanted);
    my $server = connected(Scratch::SOCKET);
    $server->do('ALTER DATABASE ' . $server->quote_identifier(DATABASE) . ' RENAME TO ' . $server->quote_identifier($into));
    $server->disconnect;
    progress("copying into $into");
    my $done = eval {
        piped([ 'pg_dump', '--host=' . Scratch::SOCKET, '--username=postgres', '--format=custom', '--compress=none', '--create', $into ],
            [ 'pg_restore', '--host=' . LIVE_SOCKET, '--username=postgres', '--exit-on-error', '--create', '--dbname=postgres' ]);
        1;
    };
    if (!$done) {
        my $why = $@;
        eval { my $live = connected(LIVE_SOCKET); $live->do('DROP DATABASE IF EXISTS ' . $live->quote_identifier($into)) };
        die $why;
    }
    progress('counting rows');
    return { %$reached, database => $into, rows => counts(LIVE_SOCKET, $into), live_rows => counts(LIVE_SOCKET) };
}

# The same as a dump on `$output` instead, for another database; before that the rules are applied, if there are any.
sub copy ($rules, $output, %wanted) {
    my $backup = _wanted(%wanted);
    Scratch::need_space('/scratch', (dumps ? 2 : 1) * $backup->{database_bytes}, 'the copy');
    my $reached = _on_scratch($backup, %wanted);
    my $server = connected(Scratch::SOCKET, DATABASE);
    my $before = counts(Scratch::SOCKET);
    Rules::apply($server, $rules) if defined $rules;
    my ($bytes) = $server->selectrow_array('SELECT pg_database_size(current_database())');
    $server->disconnect;
    progress('sending the copy');
    open my $kept, '>&', \*STDOUT or die "no output: $!\n";
    open STDOUT, '>&', $output or die "no output: $!\n";
    my $failed = system 'pg_dump', '--host=' . Scratch::SOCKET, '--username=postgres', '--format=custom', '--compress=zstd:1', DATABASE;
    open STDOUT, '>&', $kept or die "no output: $!\n";
    die "pg_dump failed\n" if $failed;
    return { %$reached, before => $before, rows => counts(Scratch::SOCKET), bytes => 0 + $bytes };
}

# The backup that is meant, if it may be restored here.
sub _wanted (%wanted) {
    refuse(2, "$wanted{to_text} is in the future") if defined $wanted{to} && $wanted{to} > time + 60;
    my $backup = _chosen(%wanted);
    refuse(REFUSED, sprintf 'backup %s is of stack %s, and this is stack %s; nothing was touched', $backup->{id}, $backup->{stack} // '(unknown)', stack())
        if ($backup->{stack} // '') ne ($wanted{of} // stack());
    return $backup;
}

# The database as it was, on the scratch server. Returns which backup it is from, and the last change in it.
sub _on_scratch ($backup, %wanted) {
    my %reached = (backup => $backup->{id}, place => $backup->{place}, reached => undef);
    if (dumps) {
        my (undef, $lacking, $wrong) = Dumps::on_scratch($backup);
        die join "\n", 'the dump could not be restored as a whole:', map({ "  $_" } @$wrong), '' if @$wrong;
        note("without what is the provider's: $_") for @$lacking;
        return { %reached, reached => $backup->{at} };
    }
    # What was committed until now is to be found in the repository, if this is the server that it comes from.
    note('the log of changes does not reach the repositories; what they have is restored') if !$wanted{scratch} && !$wanted{backup} && !eval { Live::flush() };
    my $number = place_number($backup->{place});
    my @target = $wanted{backup} ? ('--type=immediate', '--target-action=promote')
        : defined $wanted{to} ? ('--type=time', '--target-action=promote', '--target=' . Scratch::moment($wanted{to}))
        : ('--type=default');
    Scratch::restore($number, $backup->{id}, @target);
    Scratch::start();
    if (!eval { Scratch::recovered('promoted'); 1 }) {
        my $why = $@;
        die $why if $why !~ /recovery ended before configured recovery target was reached/;
        note('nothing was committed after that moment; all there is is restored');
        Scratch::aim();
        Scratch::start();
        Scratch::recovered('promoted');
    }
    my ($reached) = connected(Scratch::SOCKET)->selectrow_array('SELECT extract(epoch FROM pg_last_xact_replay_timestamp())');
    $reached{reached} = when($reached) if defined $reached;
    return \%reached;
}

sub _chosen (%wanted) {
    return find_backup($wanted{backup}, $wanted{from} // '') if $wanted{backup};
    my ($found, $wrong) = backups();
    my @fitting = grep { (!defined $wanted{to} || $_->{stopped} < $wanted{to}) && (!$wanted{from} || $_->{place} eq $wanted{from}) } @$found;
    # The local place is the quicker one.
    my ($chosen) = ((grep { $_->{place} eq 'local' } @fitting), @fitting);
    return $chosen // die join("\n", defined $wanted{to} ? "no backup is older than $wanted{to_text}; ./monopco backups lists them" : 'there is no backup yet: ./monopco backup',
        values %$wrong) . "\n";
}

# Both copies, when they are on one disk.
sub _need_space ($bytes) {
    my ($scratch, $data) = map { (stat $_)[0] } '/scratch', '/var/lib/postgresql';
    Scratch::need_space('/scratch', $bytes * ($scratch == $data ? 2 : 1), 'the restore');
    Scratch::need_space('/var/lib/postgresql', $bytes, 'the restored database') if $scratch != $data;
    return;
}

1;
