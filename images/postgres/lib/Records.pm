# What is remembered beside the local repository: rows at each backup, proofs, and how the last run of each job went.
package Records;
use v5.36;
use Exporter 'import';
use Say qw(json);
our @EXPORT_OK = qw(remember recall recall_all);

use constant FOLDER => '/var/lib/monopco-backups/records';
use constant KEPT => 400;

# Writes a record; the oldest of its kind give way.
sub remember ($kind, $name, $data) {
    mkdir FOLDER, 0700;
    write_whole(FOLDER . "/$kind-$name.json", $data);
    my @old = sort { (stat $b)[9] <=> (stat $a)[9] } glob FOLDER . "/$kind-*.json";
    unlink @old[ KEPT .. $#old ] if @old > KEPT;
    return;
}

# A file with data as JSON, the old one or the new one at any moment.
sub write_whole ($path, $data) {
    open my $file, '>', "$path.$$" or die "cannot write $path: $!\n";
    return if print({$file} json->encode($data), "\n") && close($file) && rename("$path.$$", $path);
    my $why = $!;
    unlink "$path.$$";
    die "cannot write $path: $why\n";
}

sub recall ($kind, $name) { return _read(FOLDER . "/$kind-$name.json") }

sub recall_all ($kind) {
    return grep { defined } map { _read($_) } glob FOLDER . "/$kind-*.json";
}

sub _read ($path) {
    open my $file, '<', $path or return;
    local $/;
    return eval { json->decode(<$file>) };
}

1;
