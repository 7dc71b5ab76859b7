# Files that are kept in the second place beside the backups, such as the state of the deployments: restic does it.
package Copies;
use v5.36;
use Process qw(attempt);
use Repository ();

use constant SETTINGS => '/etc/pgbackrest';
use constant KEPT => 60;

# Standard input, as the newest version of the file `$name`.
sub keep ($name) {
    my @restic = _restic();
    my ($missing) = attempt([ @restic, 'cat', 'config' ]);
    _done(attempt([ @restic, 'init' ])) if $missing;
    system { $restic[0] } @restic, 'backup', '--quiet', '--stdin', "--stdin-filename=$name", '--host=' . Repository::stack(), "--tag=$name";
    die "the remote place: restic could not keep $name\n" if $?;
    _done(attempt([ @restic, 'forget', '--quiet', "--tag=$name", '--keep-last=' . KEPT, '--prune' ]));
    return;
}

# The newest version of the file to standard output.
sub fetch ($name) {
    my @restic = _restic();
    exec { $restic[0] } @restic, 'dump', '--quiet', "--tag=$name", 'latest', "/$name" or die "cannot run restic: $!\n";
}

sub _restic () {
    return restic(Repository::settings()->{restic} // die "backups.remote is not set, so there is no place to keep it\n");
}

# The key and the service's own credentials are read from files; no variable and no argument holds one.
sub restic ($arguments) {
    $ENV{AWS_SHARED_CREDENTIALS_FILE} = SETTINGS . '/aws-credentials';
    $ENV{HOME} = $ENV{TMPDIR} = '/tmp';
    return ('restic', '--no-cache', '--retry-lock=30s', '--password-file=' . SETTINGS . '/key', @$arguments);
}

sub _done ($status, @lines) {
    die join "\n", 'the remote place: restic failed', map({ "  $_" } @lines > 8 ? @lines[ -8 .. -1 ] : @lines), '' if $status;
    return;
}

1;
