package file

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/shiyi-market/shiyi/internal/config"
)

// S3 says which bucket of an S3-compatible store keeps the files. Without an
// endpoint the folder does.
type S3 struct {
	// Endpoint is host and port. Empty: files are kept in the folder.
	Endpoint string `env:"FILE_S3_ENDPOINT"`
	// Bucket is there already, and private.
	Bucket string `env:"FILE_S3_BUCKET"`
	// Region is the one in which requests are signed.
	Region string `env:"FILE_S3_REGION, default=us-east-1"`
	// Key names who signs, and Secret signs.
	Key    string        `env:"FILE_S3_KEY"`
	Secret config.Secret `env:"FILE_S3_SECRET"`
	// TLS is off for a store on the same machine only.
	TLS bool `env:"FILE_S3_TLS, default=true"`
}

// bucket keeps objects in an S3-compatible store.
type bucket struct {
	client *minio.Client
	name   string
}

func openBucket(cfg S3) (bucket, error) {
	client, err := minio.New(cfg.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(cfg.Key, cfg.Secret.Reveal(), ""), Secure: cfg.TLS, Region: cfg.Region,
		BucketLookup: minio.BucketLookupPath, MaxRetries: 3,
	})
	if err != nil {
		return bucket{}, fmt.Errorf("reach the store of files: %w", err)
	}
	return bucket{client, cfg.Bucket}, nil
}

func (b bucket) put(ctx context.Context, name string, body []byte) error {
	_, err := b.client.PutObject(ctx, b.name, name, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{
		ContentType: "application/octet-stream", DisableMultipart: true, SendContentMd5: true,
	})
	if err != nil {
		return fmt.Errorf("put %s into the bucket: %w", name, err)
	}
	return nil
}

func (b bucket) open(ctx context.Context, name string) (io.ReadCloser, error) {
	core := minio.Core{Client: b.client}
	r, _, _, err := core.GetObject(ctx, b.name, name, minio.GetObjectOptions{})
	switch {
	case err == nil:
		return r, nil
	case minio.ToErrorResponse(err).StatusCode == http.StatusNotFound:
		return nil, errNoObject
	}
	return nil, fmt.Errorf("read %s from the bucket: %w", name, err)
}

func (b bucket) remove(ctx context.Context, name string) error {
	if err := b.client.RemoveObject(ctx, b.name, name, minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("remove %s from the bucket: %w", name, err)
	}
	return nil
}

func (b bucket) each(ctx context.Context, visit func(name string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing when a visit has failed
	for object := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{}) {
		if object.Err != nil {
			return fmt.Errorf("list the bucket: %w", object.Err)
		}
		if err := visit(object.Key); err != nil {
			return err
		}
	}
	return nil
}
