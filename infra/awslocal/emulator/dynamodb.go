package emulator

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// DynamoDB Local 1.25.1, as published on npm.
const (
	simulator       = "amplify-dynamodb-simulator@2.9.30"
	simulatorDigest = "3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9" // SHA-256 of the package
	simulatorFolder = "package/emulator/"
)

//go:embed dynamodb.xml
var dynamodbXML []byte

// DynamoDB starts DynamoDB Local: tables, transactions and streams in memory, the same for all regions and access
// keys. ctx bounds the download and the start.
//
// DynamoDB Local's own main listens on all interfaces. Jetty reads dynamodb.xml instead, which configures its parts
// to listen on loopback.
func DynamoDB(ctx context.Context) (*Server, error) {
	if err := need("java", "npm"); err != nil {
		return nil, err
	}
	dir, err := installed(ctx, strings.ReplaceAll(simulator, "@", "-"), installDynamoDB)
	if err != nil {
		return nil, err
	}
	config, err := os.CreateTemp("", "hookcast-dynamodb-*.xml")
	if err != nil {
		return nil, err
	}
	defer os.Remove(config.Name())
	_, err = config.Write(dynamodbXML)
	if err := errors.Join(err, config.Close()); err != nil {
		return nil, err
	}
	cmd := exec.Command("java",
		"-XX:TieredStopAtLevel=1", "-Xmx512m",
		"-Djava.library.path=DynamoDBLocal_lib",
		"-Dorg.eclipse.jetty.LEVEL=WARN", "-Dorg.eclipse.jetty.util.log.announce=false",
		"-Dorg.eclipse.jetty.xml.XmlParser.Validating=false", // the schema of such files is not available
		"-cp", "DynamoDBLocal.jar"+string(os.PathListSeparator)+filepath.Join("DynamoDBLocal_lib", "*"),
		"org.eclipse.jetty.xml.XmlConfiguration", config.Name())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DDB_LOCAL_TELEMETRY=0")
	return start(ctx, "DynamoDB Local", cmd)
}

func installDynamoDB(ctx context.Context, dir string) error {
	if err := npm(ctx, dir, "pack", "--silent", simulator); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return fmt.Errorf("npm packed %d archives, want 1: %w", len(archives), err)
	}
	f, err := os.Open(archives[0])
	if err != nil {
		return err
	}
	defer os.Remove(archives[0])
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != simulatorDigest {
		return fmt.Errorf("%s has the digest %s, want %s", simulator, got, simulatorDigest)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return unpack(f, simulatorFolder, dir)
}

// unpack writes the regular files below folder in a .tgz into dir.
func unpack(tgz io.Reader, folder, dir string) error {
	z, err := gzip.NewReader(tgz)
	if err != nil {
		return err
	}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ours := strings.CutPrefix(h.Name, folder)
		if !ours || h.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("the archive has a file outside of its folder: %q", h.Name)
		}
		if err := writeFile(filepath.Join(dir, name), files); err != nil {
			return err
		}
	}
}

func writeFile(path string, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
